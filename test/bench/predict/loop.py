"""Golden checks as people write them without a tool: loop.py GOLDENS URL"""

import json
import math
import sys

import requests

with open(sys.argv[1], encoding="utf-8") as file:
    goldens = json.load(file)
passed = 0
for golden in goldens:
    answer = requests.post(sys.argv[2], json=golden["request"], timeout=5)
    answer.raise_for_status()
    got = answer.json()["data"]["ndarray"]
    for row, expected in zip(got, golden["expected"], strict=True):
        for a, b in zip(row, expected, strict=True):
            assert math.isclose(a, b, abs_tol=1e-6)
    passed += 1
print(passed)
