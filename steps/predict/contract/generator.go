package contract

import (
	"fmt"
	"math"
	"math/rand/v2"
)

// Generator makes rows by a seed: the same seed makes the same rows.
type Generator struct {
	contract *Contract
	random   *rand.Rand
	row      int
}

// NewGenerator starts at the beginning of a seed's rows.
func NewGenerator(c *Contract, seed uint64) *Generator {
	return &Generator{contract: c, random: rand.New(rand.NewPCG(seed, 0))}
}

// Row makes the next row. The first two are the edges: every continuous feature
// at its lowest, then at its highest.
func (g *Generator) Row() []any {
	var row []any
	for _, v := range g.contract.Features {
		for range v.Width {
			row = append(row, g.element(v))
		}
	}
	g.row++
	return row
}

func (g *Generator) element(v Variable) any {
	if v.Categorical {
		return v.Values[g.random.IntN(len(v.Values))]
	}
	low, high := !math.IsInf(v.Low, 0), !math.IsInf(v.High, 0)
	var f float64
	switch {
	case g.row == 0 && low:
		f = v.Low
	case g.row == 1 && high:
		f = v.High
	case low && high:
		f = between(v.Low, v.High, g.random.Float64())
	case low:
		f = v.Low + math.Exp(g.random.NormFloat64())
	case high:
		f = v.High - math.Exp(g.random.NormFloat64())
	default:
		f = g.random.NormFloat64()
	}
	if v.Integer {
		f = math.Round(f)
	} else if rounded := math.Round(f*1000) / 1000; rounded >= v.Low && rounded <= v.High && !math.IsInf(rounded, 0) {
		f = rounded
	}
	return min(max(f, v.Low), v.High)
}

// between is a number at a share of the way from low to high, which may be
// further apart than any number is large.
func between(low, high, share float64) float64 {
	if span := high - low; !math.IsInf(span, 0) {
		return low + share*span
	}
	return low*(1-share) + high*share
}

// Fits tells whether a request of that many rows can be made in reasonable memory.
func (c *Contract) Fits(rows int) error {
	columns := 0
	for _, v := range c.Features {
		columns += v.Width
	}
	if rows > maxValues/max(columns, 1) {
		return fmt.Errorf("%d rows of %d columns are more than %d values in one request; take a smaller batch", rows, columns, maxValues)
	}
	return nil
}
