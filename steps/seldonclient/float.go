package seldonclient

import (
	"math"
	"strconv"
)

// shortest returns the number that f's shortest decimal form stands for.
func shortest(f float32) float64 {
	out, _ := strconv.ParseFloat(strconv.FormatFloat(float64(f), 'g', -1, 32), 64)
	return out
}

// float16 reads a number of 16 bits: IEEE 754's binary16.
func float16(bits uint16) float64 {
	sign := 1.0
	if bits&0x8000 != 0 {
		sign = -1
	}
	exponent, fraction := int(bits>>10&0x1f), float64(bits&0x3ff)
	switch exponent {
	case 0:
		return sign * math.Ldexp(fraction, -24)
	case 31:
		if fraction != 0 {
			return math.NaN()
		}
		return math.Inf(int(sign))
	}
	return sign * math.Ldexp(1024+fraction, exponent-25)
}

// bfloat16 reads the upper half of a 32-bit number.
func bfloat16(bits uint16) float64 {
	return widen(math.Float32frombits(uint32(bits) << 16))
}

// toFloat16 writes a number in 16 bits, rounded to the nearest, ties to even.
func toFloat16(f float64) uint16 {
	sign := uint16(0)
	if math.Signbit(f) {
		sign = 0x8000
		f = -f
	}
	switch {
	case math.IsNaN(f):
		return 0x7e00
	case f >= 65520:
		return sign | 0x7c00
	case f < math.Ldexp(1, -14):
		return sign | uint16(math.RoundToEven(math.Ldexp(f, 24)))
	}
	fraction, exponent := math.Frexp(f) // f = fraction * 2^exponent, fraction in [0.5, 1)
	rounded := uint16(math.RoundToEven(math.Ldexp(fraction, 11)))
	return sign | (uint16(exponent+13)<<10 + rounded)
}
