"""Variants of a genome with planted words: the change of the score is what the words that come and go are worth."""

import gzip
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from word_model import WORD, WordModel, other_strand, worth

from contactlens.base.errors import InputError
from contactlens.dna.data.genome import Genome
from contactlens.dna.data.importing.intervals import GenomicInterval
from contactlens.dna.data.motif_database import Motif, threshold_bits
from contactlens.dna.serving.motif_effects import MotifScanner
from contactlens.dna.serving.variants import SCORED, UNSCORED, VariantEffects, VariantSettings, variant_effects
from contactlens.dna.serving.vcf import Variant, read_variants

HEADER = "##fileformat=VCFv4.2\n#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO\n"
N = 400
WINDOWS = [(0, 200, (20, 80), (120, 190)), (150, 380, (160, 200), (260, 370))]
NAMES = ("enhancer", "promoter")


def chromosome() -> str:
    rng = np.random.default_rng(3)
    bases = rng.choice(list("ACGT"), N)
    for place, word in ((30, WORD), (50, other_strand(WORD)), (130, WORD), (170, WORD), (300, WORD)):
        bases[place : place + len(WORD)] = list(word)
    bases[390:] = "N"
    return "".join(bases)


BASES = chromosome()


def windows(bases: str = BASES) -> list[GenomicInterval]:
    return [GenomicInterval("c1", f"w{i}", a, b, (e, p), "c1", 0) for i, (a, b, e, p) in enumerate(WINDOWS)]


def variant(place: int, ref: str, *alts: str, chrom: str = "c1") -> Variant:
    return Variant(1, chrom, place, ".", ref, alts)


def effects_of(*variants: Variant, settings: VariantSettings | None = None) -> VariantEffects:
    numbered = [one._replace(line=i) for i, one in enumerate(variants, start=3)]
    genome = Genome.of({"c1": BASES, "c2": BASES[:50]})
    return variant_effects(WordModel(), genome, numbered, windows(), element_names=NAMES, settings=settings)


def other(base: str) -> str:
    return "ACGT"[("ACGT".index(base) + 1) % 4]


def test_single_bases_change_the_score_by_the_words_they_break_and_make() -> None:
    """Every base of the genome, each to another one, in both windows."""
    places = range(380)
    table = effects_of(*(variant(i, BASES[i], other(BASES[i])) for i in places)).table
    scored = table[table["status"] == SCORED]
    assert len(scored) == 200 + 230
    for row in scored.to_dict("records"):
        start, end, *elements = WINDOWS[int(row["window"][1:])]
        inside = tuple((a - start, b - start) for a, b in elements)
        before, at = BASES[start:end], row["pos"] - 1 - start
        after = before[:at] + row["alt"] + before[at + 1 :]
        assert row["score_ref"] == pytest.approx(worth(before, inside))
        assert row["score_change"] == pytest.approx(worth(after, inside) - worth(before, inside))
        assert row[f"ism_{row['alt']}"] == pytest.approx(row["score_change"])
        assert row[f"ism_{row['ref']}"] == 0
    in_word = scored[scored["pos"].between(31, 38) & (scored["window"] == "w0")]
    assert (in_word["score_change"] == -2).all() and (in_word["element"] == "enhancer").all()
    assert (in_word["ism_contribution"] == 1.5).all()  # minus the mean of 0 and three times -2


@pytest.mark.parametrize(
    ("place", "ref", "alt", "change"),
    [
        (33, BASES[33:36], BASES[33], -2.0),  # two bases out of a word
        (29, BASES[29:38], BASES[29], -2.0),  # the whole word
        (33, BASES[33], f"{BASES[33]}TT", -2.0),  # a word broken by an insertion
        (22, BASES[22], f"{BASES[22]}{WORD}", 2.0),  # a word comes in
        (100, BASES[100], f"{BASES[100]}{WORD}", 0.0),  # between the elements
        (130, BASES[130:138], other_strand(WORD), 0.0),  # turned round
        (130, BASES[130:138], "AAAA", -0.5),
        (40, BASES[40:44], BASES[40], 0.0),  # a deletion shifts the second element, which keeps its word
    ],
)
def test_indels(place: int, ref: str, alt: str, change: float) -> None:
    row = effects_of(variant(place, ref, alt)).table.iloc[0]
    assert (row["status"], row["window"]) == (SCORED, "w0")
    assert row["score_change"] == pytest.approx(change)


def test_the_other_strand_of_the_genome_has_the_same_effects() -> None:
    rng = np.random.default_rng(1)
    forward, reverse = [], []
    for _ in range(60):
        place, length = int(rng.integers(20, 190)), int(rng.integers(1, 5))
        ref = BASES[place : place + length]
        alt = ref[0] + "".join(rng.choice(list("ACGT"), int(rng.integers(1, 5))))
        if alt != ref:
            forward.append(variant(place, ref, alt))
            reverse.append(variant(N - place - length, other_strand(ref), other_strand(alt)))
    turned = [
        GenomicInterval("c1", w.name, N - w.end, N - w.start, tuple((N - b, N - a) for a, b in w.elements), "c1", 0)
        for w in windows()
    ]
    model, genome = WordModel(), Genome.of({"c1": BASES.translate(str.maketrans("ACGT", "TGCA"))[::-1]})
    found = variant_effects(model, genome, reverse, turned, element_names=NAMES).table
    wanted = effects_of(*forward).table
    keys = ["score_ref", "score_alt", "score_change", "ism_contribution"]
    both = [frame.groupby("window")[keys].sum() for frame in (found, wanted)]
    assert wanted["score_change"].abs().sum() > 5
    pd.testing.assert_frame_equal(*both)


@pytest.mark.parametrize(
    ("one", "status", "message"),
    [
        (variant(30, other(BASES[30]), "A"), "ref_mismatch", f"REF is not what the FASTA has .*FASTA has {BASES[30]}"),
        (variant(30, BASES[30], "<DEL>"), "no_alt", "no ALT of bases"),
        (variant(30, BASES[30], "*"), "no_alt", "no ALT of bases"),
        (variant(30, BASES[30], f"{BASES[30]}[c2:9["), "no_alt", "no ALT of bases"),
        (variant(30, BASES[30]), "no_alt", "no ALT of bases"),
        (variant(30, BASES[30], BASES[30]), "no_alt", "no ALT of bases"),
        (variant(30, BASES[30], "N"), "unknown_base", "unknown bases"),
        (variant(391, "N", "A"), "unknown_base", "unknown bases"),
        (variant(391, "A", "C"), "unknown_base", "unknown bases"),
        (variant(385, BASES[385], other(BASES[385])), "off_window", "in no window"),
        (variant(5, BASES[5], other(BASES[5]), chrom="c2"), "off_window", "in no window"),
        (variant(378, BASES[378:383], BASES[378]), "window_edge", "across the edge of a window"),
        (variant(252, BASES[252:375], BASES[252]), "element_lost", "would remove a whole element"),
        (variant(399, "NN", "A"), "beyond_record", "beyond the ends"),
        (variant(5, "A", "C", chrom="chr9"), "no_chromosome", "on a chromosome that the FASTA lacks"),
    ],
)
def test_what_gets_no_score_is_named_and_counted(one: Variant, status: str, message: str) -> None:
    good = variant(30, BASES[30], other(BASES[30]))
    found = effects_of(good, one)
    assert found.table["status"].tolist() == [SCORED, status]
    assert found.table.loc[1, ["score_change", "score_ref"]].isna().all()
    assert str(found).startswith("1 of 2 alleles of 2 variants scored, in 1 windows; not scored: 1 ")
    pattern = rf"{message}.*line 4, {one.chrom}:{one.start + 1}" if "FASTA has" not in message else message
    assert pd.Series([str(found)]).str.contains(pattern).all(), str(found)
    with pytest.raises(InputError, match="no allele could be scored of 1: 1 "):
        effects_of(one)
    assert status in UNSCORED


def test_alleles_of_one_variant_are_scored_each_by_itself() -> None:
    base = BASES[33]
    found = effects_of(variant(33, base, other(base), f"{base}A", "<INS>"))
    assert found.table["status"].tolist() == [SCORED, SCORED, "no_alt"]
    assert found.table["allele"].tolist() == [1, 2, 3]
    assert "1 variants have several ALT alleles, each scored by itself" in str(found)
    alone = effects_of(variant(33, base, f"{base}A")).table
    assert found.table["score_change"][1] == alone["score_change"][0]


def test_names_that_differ_by_a_prefix_are_pointed_out() -> None:
    genome = Genome.of({"chr1": BASES})
    with pytest.raises(InputError, match="the FASTA calls '1' 'chr1'"):
        variant_effects(WordModel(), genome, [variant(5, "A", "C", chrom="1")], 50, element_names=("region",))


def test_windows_around_the_variants_and_records_that_are_pieces_of_chromosomes() -> None:
    genome = Genome.of({"chr7:1000-1400": BASES})
    one = Variant(3, "chr7", 1032, "rs1", BASES[32], (other(BASES[32]),))
    row = variant_effects(WordModel(), genome, [one], 40, element_names=("region",)).table.iloc[0]
    assert row["window"] == "chr7:1012-1052" and row["score_change"] == -2.0


def test_sites_longer_than_the_limit_get_no_mutagenesis() -> None:
    one = variant(29, BASES[29:38], BASES[29])
    assert np.isnan(effects_of(one, settings=VariantSettings(ism_bp=7)).table["ism_contribution"][0])
    assert effects_of(one, settings=VariantSettings(ism_bp=8)).table["ism_contribution"][0] == 8 * 1.5


def word_motif() -> Motif:
    counts = np.array([[50.0 * (base == letter) for letter in "ACGT"] for base in WORD])
    return Motif("MX0001.1", "WORD", counts)


def test_motif_hits_that_are_lost_gained_and_left() -> None:
    scanner = MotifScanner.of([word_motif()], 1e-4)
    genome = Genome.of({"c1": BASES})
    asked = [
        variant(33, BASES[33], other(BASES[33])),
        variant(52, BASES[52], other(BASES[52])),  # on the other strand
        variant(90, BASES[90], f"{BASES[90]}{WORD}"),
        variant(42, BASES[42], other(BASES[42])),
    ]
    table = variant_effects(WordModel(), genome, asked, windows(), element_names=NAMES, scanner=scanner).table
    top = word_motif().scores.max(1).sum()
    first, second, third, fourth = table["motifs"].tolist()
    assert first.startswith(f"WORD(MX0001.1) lost {top:.1f}>") and second.startswith("WORD(MX0001.1) lost")
    assert third.startswith("WORD(MX0001.1) gained") and third.endswith(f">{top:.1f}")
    assert fourth == ""


def test_the_threshold_of_a_hit_is_the_quantile_of_random_sites() -> None:
    """All 4^6 sites of a short motif, counted."""
    counts = np.random.default_rng(0).uniform(0, 30, size=(6, 4))
    motif = Motif("MX0002.1", "six", counts)
    codes = np.stack(np.meshgrid(*[np.arange(4)] * 6, indexing="ij"), -1).reshape(-1, 6)
    score = np.sort(motif.scores[np.arange(6), codes].sum(1))[::-1]
    for p in (0.001, 0.01, 0.2):
        allowed = int(p * 4**6)
        threshold = threshold_bits(motif.scores, p)
        assert score[allowed] - 0.04 <= threshold <= score[allowed - 1] + 0.04
    assert threshold_bits(motif.scores, 1e-5) == float("inf")


def write(path: Path, *rows: str, header: str = HEADER) -> Path:
    path.write_text(header + "".join(f"{row}\n" for row in rows))
    return path


def test_a_vcf_is_read_plain_gzipped_and_with_windows_line_ends(tmp_path: Path) -> None:
    rows = ["c1\t31\trs1\tg\tA,t\t.\tPASS\tAF=0.1", "", "c1\t40\t.\tAC\t.\t9\t.\t.\tGT\t0|1"]
    plain = write(tmp_path / "v.vcf", *rows)
    wanted = [Variant(3, "c1", 30, "rs1", "G", ("A", "T")), Variant(5, "c1", 39, ".", "AC", ())]
    assert list(read_variants(plain)) == wanted
    packed = tmp_path / "v.gz"
    half = plain.stat().st_size // 2
    packed.write_bytes(gzip.compress(plain.read_bytes()[:half]) + gzip.compress(plain.read_bytes()[half:]))
    assert list(read_variants(packed)) == wanted
    (tmp_path / "crlf.vcf").write_bytes(plain.read_bytes().replace(b"\n", b"\r\n"))
    assert list(read_variants(tmp_path / "crlf.vcf")) == wanted


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", "it has no line #CHROM"),
        ("chr1\t5\t.\tA\tC\n", "not a VCF; its first line has to be ##fileformat=VCF"),
        ("##fileformat=VCFv4.2\nc1\t5\t.\tA\tC\t.\t.\t.\n", "line 2 comes before the line #CHROM"),
        ("##fileformat=VCFv4.2\n#CHROM POS ID REF ALT\n", "line 2 has to name the columns"),
        (HEADER + "c1 5 . A C . . .\n", "line 3 has 1 of the 8 columns of a VCF; are its columns separated by tabs"),
        (HEADER + "c1\t5\t.\tA\tC\n", "line 3 has 5 of the 8 columns"),
        (HEADER + "c1\tx\t.\tA\tC\t.\t.\t.\n", "line 3, column 'POS': 'x' is not a whole number from 1"),
        (HEADER + "c1\t0\t.\tA\tC\t.\t.\t.\n", "line 3, column 'POS': '0' is not a whole number from 1"),
        (HEADER + "c1\t5\t.\t.\tC\t.\t.\t.\n", "line 3 lacks CHROM or REF"),
        (b"BCF\x02\x02", "is BCF; convert it with `bcftools view -Oz`"),
        (gzip.compress(b"BCF\x02\x02", mtime=0), "is BCF; convert it"),
        (gzip.compress(HEADER.encode() * 50, mtime=0)[:-12], "not a readable gzip file, or cut short"),
        (b"##fileformat=VCFv4.2\n\xff\xfe\n", "not UTF-8 text"),
    ],
)
def test_what_is_no_vcf_says_so_and_where(tmp_path: Path, content: str | bytes, message: str) -> None:
    path = tmp_path / "v.vcf"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises(InputError, match=message) as caught:
        list(read_variants(path))
    assert str(caught.value).startswith(str(path))


def test_an_annotated_vcf_keeps_what_it_held_and_can_be_annotated_again(tmp_path: Path) -> None:
    header = HEADER.replace("#CHROM", '##INFO=<ID=AF,Number=A,Type=Float,Description="f">\n#CHROM')
    base, late = BASES[33], BASES[170]
    rows = [
        f"c1\t34\trs1\t{base}\t{other(base)},<INS>\t50\tPASS\tAF=0.1,0.2\tGT\t0|1",
        f"c1\t171\t.\t{late}\t{other(late)}\t.\t.\t.",
    ]
    source = write(tmp_path / "v.vcf", *rows, header=header)
    found = variant_effects(
        WordModel(), Genome.of({"c1": BASES}), read_variants(source), windows(), element_names=NAMES
    )
    found.annotate(source, tmp_path / "once.vcf")
    text = (tmp_path / "once.vcf").read_text().splitlines()
    assert text[:2] == header.splitlines()[:2] and sum(line.startswith("##INFO=<ID=CL_") for line in text) == 5
    first, second = (line.split("\t") for line in text[-2:])
    assert first[:7] == rows[0].split("\t")[:7] and first[8:] == ["GT", "0|1"]
    info = dict(part.split("=") for part in first[7].split(";"))
    assert info == {
        **{
            "AF": "0.1,0.2",
            "CL_CHANGE": "-2,.",
            "CL_REF": f"{worth(BASES[:200], WINDOWS[0][2:]):g},.",
            "CL_ISM": "1.5,.",
        },
        **{"CL_WINDOW": "w0,.", "CL_STATUS": "scored,no_alt"},
    }
    # Window w1 has this word in its enhancer, where it is worth more than in the promoter of w0.
    assert "CL_CHANGE=-2" in second[7] and "CL_WINDOW=w1" in second[7]
    found.annotate(tmp_path / "once.vcf", tmp_path / "twice.vcf")
    kept = [line for line in (tmp_path / "twice.vcf").read_text().splitlines() if line.startswith("##INFO=<ID=CL_")]
    assert len(kept) == 5
    with pytest.raises(InputError, match="would replace the VCF that is read"):
        found.annotate(source, source)
