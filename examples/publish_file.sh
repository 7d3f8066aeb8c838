#!/usr/bin/env bash
# Your own file as a signed feed, served on this machine: examples/publish_file.sh FILE EXCHANGE SYMBOL [COLUMNS]
set -euo pipefail
file=$1 exchange=$2 symbol=$3 columns=${4:-}

tradercast publish "$file" --exchange "$exchange" --symbol "$symbol" ${columns:+--columns "$columns"} --dry-run
tradercast publish "$file" --exchange "$exchange" --symbol "$symbol" ${columns:+--columns "$columns"}
# For others: --listen 0.0.0.0:7340 --dht 0.0.0.0:7341 --advertise ADDRESS
tradercast serve
