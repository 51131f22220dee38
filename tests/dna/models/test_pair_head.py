import pytest
import torch

from contactlens.dna.models.config import HeadConfig
from contactlens.dna.models.pair_head import RegionHead


def test_a_region_gives_the_mean_over_its_bases_and_an_empty_one_zero() -> None:
    head = RegionHead(d_model=3, n_regions=2, config=HeadConfig(4))
    states = torch.randn(2, 9, 3)
    regions = torch.zeros(2, 2, 9, dtype=torch.bool)
    regions[0, 0, 2:5] = True
    regions[1, 1, [0, 8]] = True
    pooled = head.pooled(states, regions)
    torch.testing.assert_close(pooled[0, 0], states[0, 2:5].mean(0))
    torch.testing.assert_close(pooled[1, 1], (states[1, 0] + states[1, 8]) / 2)
    assert not pooled[0, 1].any()
    assert not pooled[1, 0].any()


def test_pair_is_compared_by_difference_and_product() -> None:
    head = RegionHead(d_model=2, n_regions=2, config=HeadConfig(4))
    features = head.features(torch.tensor([[[1.0, -2.0], [3.0, 5.0]]]))
    assert features.tolist() == [[1, -2, 3, 5, 2, 7, 3, -10]]


@pytest.mark.parametrize("n_regions", [1, 2])
def test_logit_is_that_of_a_plain_network_of_two_layers(n_regions: int) -> None:
    torch.manual_seed(0)
    head = RegionHead(d_model=3, n_regions=n_regions, config=HeadConfig(5))
    plain = torch.nn.Sequential(head.hidden, torch.nn.ReLU(), head.out)
    states, regions = torch.randn(4, 7, 3), torch.rand(4, n_regions, 7) < 0.5
    expected = plain(head.features(head.pooled(states, regions))).squeeze(-1)
    torch.testing.assert_close(head(states, regions), expected)


def test_mirrored_states_and_regions_give_the_same_logit() -> None:
    torch.manual_seed(1)
    head = RegionHead(d_model=3, n_regions=2, config=HeadConfig(5)).double()
    states, regions = torch.randn(4, 7, 3, dtype=torch.float64), torch.rand(4, 2, 7) < 0.4
    mirrored = head(states.flip(1), regions.flip(-1))
    torch.testing.assert_close(head(states, regions), mirrored, rtol=0, atol=1e-14)


def test_bases_outside_of_the_regions_are_not_seen() -> None:
    head = RegionHead(d_model=3, n_regions=1, config=HeadConfig(5))
    states, regions = torch.randn(1, 7, 3), torch.zeros(1, 1, 7, dtype=torch.bool)
    regions[..., 2:4] = True
    changed = torch.where(regions[0, 0, :, None], states, torch.randn(1, 7, 3))
    assert torch.equal(head(states, regions), head(changed, regions))


def directed(bounds: list[tuple[int, int]], length: int = 12) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Pooled states (R, 4 d) of elements at these places, and the states of both strands (L, d) behind them."""
    head = RegionHead(d_model=2, n_regions=2, config=HeadConfig(4, "directed"))
    forward, reverse = torch.randn(2, 1, length, 2, dtype=torch.float64, generator=torch.Generator().manual_seed(3))
    regions = torch.zeros(1, 2, length, dtype=torch.bool)
    for i, (start, end) in enumerate(bounds):
        regions[0, i, start:end] = True
    return head.pooled(head.per_base(forward, reverse), regions)[0], forward[0], reverse[0]


def test_directed_pooling_reads_from_the_enhancer_to_the_promoter() -> None:
    """By hand: the strand that runs to the promoter first, then the other; means, then first moments along the way."""
    place = torch.linspace(-1, 1, 4, dtype=torch.float64)[:, None]
    for enhancer, promoter in (((1, 5), (8, 12)), ((8, 12), (1, 5))):
        pooled, forward, reverse = directed([enhancer, promoter])
        sign, (along, other) = (1, (forward, reverse)) if enhancer < promoter else (-1, (reverse, forward))
        for found, (start, end) in zip(pooled, (enhancer, promoter), strict=True):
            inside = [strand[start:end] for strand in (along, other)]
            means, moments = ([(w * x).mean(0) for x in inside] for w in (1.0, sign * place))
            torch.testing.assert_close(found, torch.cat([*means, *moments]))


def test_elements_on_one_centre_have_no_direction() -> None:
    pooled, forward, reverse = directed([(2, 8), (4, 6)])
    mean = ((forward + reverse) / 2)[2:8].mean(0)
    torch.testing.assert_close(pooled[0], torch.cat([mean, mean, torch.zeros(4, dtype=torch.float64)]))


def test_a_single_base_and_an_empty_element_have_no_moment() -> None:
    pooled = directed([(3, 4), (0, 0)])[0]
    assert not pooled[1].any() and not pooled[0, 4:].any() and pooled[0, :4].any()


def test_regions_are_pooled_by_their_mean() -> None:
    head = RegionHead(d_model=2, n_regions=1, config=HeadConfig(4, "directed"))
    assert head.pooling == "mean" and head.gain.shape == (2,)


def test_other_numbers_of_regions_are_refused() -> None:
    with pytest.raises(ValueError, match="1 or 2 regions, not 3"):
        RegionHead(d_model=3, n_regions=3, config=HeadConfig(5))


def test_detectors_are_rectified_sums_of_a_state_on_each_strand_by_itself() -> None:
    generator = torch.Generator().manual_seed(5)
    forward, reverse = torch.randn(2, 2, 6, 3, dtype=torch.float64, generator=generator)
    for pooling in ("mean", "directed"):
        head = RegionHead(d_model=3, n_regions=2, config=HeadConfig(4, pooling, detectors=5)).double()
        plain = torch.nn.Sequential(head.detectors, torch.nn.ReLU())
        both = (plain(forward), plain(reverse))
        expected = torch.cat(both, -1) if pooling == "directed" else sum(both) / 2
        torch.testing.assert_close(head.per_base(forward, reverse), expected)


def test_detectors_keep_the_logit_of_the_reverse_complement() -> None:
    generator = torch.Generator().manual_seed(6)
    forward, reverse = torch.randn(2, 3, 8, 3, dtype=torch.float64, generator=generator)
    regions = torch.zeros(3, 2, 8, dtype=torch.bool)
    regions[:, 0, 1:3], regions[:, 1, 4:8] = True, True
    for pooling in ("mean", "directed"):
        head = RegionHead(d_model=3, n_regions=2, config=HeadConfig(4, pooling, detectors=5)).double()
        turned = head(head.per_base(reverse.flip(1), forward.flip(1)), regions.flip(-1))
        torch.testing.assert_close(turned, head(head.per_base(forward, reverse), regions), rtol=0, atol=1e-14)


def test_channels_that_hardly_vary_are_not_blown_up() -> None:
    head = RegionHead(d_model=3, n_regions=2, config=HeadConfig(4))
    scale, shift = torch.tensor([1e-4, 0.5, 2.0]), torch.tensor([7.0, 0.0, -1.0])
    pooled = torch.randn(400, 2, 3, generator=torch.Generator().manual_seed(7)) * scale + shift
    head.standardise(pooled)
    scaled = (pooled * head.gain + head.bias).flatten(0, 1)
    torch.testing.assert_close(scaled.mean(0), torch.zeros(3), atol=1e-4, rtol=0)
    torch.testing.assert_close(scaled.std(0)[1:], torch.ones(2), atol=1e-4, rtol=0)
    assert scaled.std(0)[0] < 1e-3
