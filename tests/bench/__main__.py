"""`make bench`."""

import argparse
import sys

import uvloop

from tests.bench.run import bench

parser = argparse.ArgumentParser(prog="bench", description=bench.__doc__)
parser.add_argument("--alerts", type=int, default=200, help="alerts per measurement")
sys.exit(uvloop.run(bench(parser.parse_args().alerts)))
