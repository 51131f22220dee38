"""Named sets of parameters: a second regime beside the default, and the published benchmark of radius estimation."""

from dataclasses import replace

from contactlens.tracks.simulation.config import SimulationConfig

MOUSE_ES_CELLS = SimulationConfig(
    n_tracks=800,
    contact_radius_nm=40.0,
    msd_amplitude_nm2_per_sqrt_s=6200.0,
    k_on_per_s=1 / 12,
    k_off_per_s=1 / 3000,
    loading_rate_per_s=0.65 / 60,
    ms2_ramp_s=28.0,
    ms2_dwell_s=390.0,
    localisation_noise_nm=((40.0, 40.0, 40.0), (40.0, 40.0, 40.0)),
    ms2_noise=0.5,
    msd_exponent=0.37,
    contact_between_substeps=True,
    start="stationary",
    burn_in_bursts=5.0,
    loading_cv_between_tracks=0.7,
)
"""Mouse ES cells as fitted by Yang et al. (VEPI, 2026): bursts of 50 min (k_off 0.017-0.021 per min), 0.61-0.70
polymerases per min while on with a CV of 0.66-0.75 between cells, seen for 6.5 min after a ramp of 28 s, MSD exponent
0.37, localisation noise of 40 nm per axis and locus. Radius and k_on are open (30-50 nm, 0.7-20 per min): 40 nm and 5
per min are choices, for a promoter that is on some 30 % of the time. So are the MSD's amplitude, for the displacement
over a frame of the default regime, and the noise of the signal, about a tenth of a fully loaded gene. Loci cross 40 nm
in well under a sub-step of 3 s, so contact is drawn between them."""

PUBLISHED_BENCHMARK = replace(
    MOUSE_ES_CELLS, n_tracks=100, n_frames=601, frame_interval_s=30.0, contact_radius_nm=30.0, k_on_per_s=20 / 60
)
"""The simulation on which Yang et al. (2026) test their estimate of the radius: 30 nm, 20 candidates per min, 100
tracks of 300 min, a frame every 30 s, 40 nm of noise per axis and locus; all else as in `MOUSE_ES_CELLS`."""
