#!/usr/bin/env bash
# A Ray node on each machine of the job, then the given command on the first of them. Submit it from the project's
# folder, which must lie on storage that all machines share (cluster/README.md):
#
#     sbatch cluster/slurm.sh contactlens tracks run --set tracks.sweep.max_concurrent=8
#
#SBATCH --job-name=contactlens
#SBATCH --nodes=2
#SBATCH --ntasks-per-node=1
#SBATCH --cpus-per-task=8
#SBATCH --mem=32G
#SBATCH --time=12:00:00
# Two minutes before the time limit the sweep closes its runs; submitted again, it goes on.
#SBATCH --signal=B:TERM@120
# With GPUs, add: --gpus-per-node=1
set -euo pipefail
set -m # each background command is a process group, so that a signal reaches all of it

cd "${SLURM_SUBMIT_DIR:?submit this script with sbatch}"
[ $# -gt 0 ] || { echo "error: give the command to run, such as: contactlens run" >&2; exit 2; }
export PATH="$PWD/.venv/bin:$PATH" RAY_USAGE_STATS_ENABLED=0 CUBLAS_WORKSPACE_CONFIG=:4096:8

# The token is a file that only this user can read, gone with the job.
mkdir -p .sweeps
RAY_AUTH_TOKEN_PATH=$(mktemp "$PWD/.sweeps/ray_token.XXXXXX")
export RAY_AUTH_MODE=token RAY_AUTH_TOKEN_PATH
python -c 'import secrets; print(secrets.token_hex(32), end="")' >"$RAY_AUTH_TOKEN_PATH"

driver=""
ray_nodes=()
finish() {
  for group in "${ray_nodes[@]}"; do kill -TERM -- "-$group" 2>/dev/null || true; done
  wait || true
  rm -f "$RAY_AUTH_TOKEN_PATH"
}
trap finish EXIT
# As Ctrl-C in a terminal: the command, dvc and the sweep each end in good order.
trap '[ -z "$driver" ] || kill -INT -- "-$driver" 2>/dev/null || true' INT TERM

# In a subshell, which becomes srun, so that `wait` waits for it.
on_node() { exec srun --nodes=1 --ntasks=1 --cpus-per-task="$SLURM_CPUS_PER_TASK" --nodelist="$@"; }

start_node() { # machine, further options of `ray start`
  local address
  address=$(on_node "$1" hostname -I | awk '{print $1}')
  on_node "$1" ray start --block --node-ip-address="$address" --num-cpus="$SLURM_CPUS_PER_TASK" \
    --num-gpus="${SLURM_GPUS_ON_NODE:-0}" --object-store-memory=500000000 "${@:2}" >>"$log" 2>&1 &
  ray_nodes+=("$!")
}

mapfile -t machines < <(scontrol show hostnames "$SLURM_JOB_NODELIST")
log=.sweeps/ray-$SLURM_JOB_ID.log
port=$((20000 + SLURM_JOB_ID % 10000)) # another job may share the machine
head=$(on_node "${machines[0]}" hostname -I | awk '{print $1}')
export RAY_ADDRESS=$head:$port

start_node "${machines[0]}" --head --port="$port" --include-dashboard=false --temp-dir="/tmp/ray-$SLURM_JOB_ID"
for _ in {1..120}; do
  (exec 3<>"/dev/tcp/$head/$port") 2>/dev/null && break
  sleep 1
done
for machine in "${machines[@]:1}"; do start_node "$machine" --address="$RAY_ADDRESS"; done
timeout 300 python - "${#machines[@]}" <<'PYTHON' || { echo "error: not every Ray node came up; see $log" >&2; exit 1; }
import os, sys, time, ray
ray.init(address=os.environ["RAY_ADDRESS"], log_to_driver=False, logging_level="ERROR")
while sum(node["Alive"] for node in ray.nodes()) < int(sys.argv[1]):
    time.sleep(1)
PYTHON

"$@" &
driver=$!
while true; do # a signal ends `wait`, not the command
  wait "$driver" && status=0 || status=$?
  kill -0 "$driver" 2>/dev/null || break
done
exit "$status"
