// Package contract reads Seldon's contract files, which describe what a model
// takes and gives, makes requests from them, and holds answers against them.
package contract

import (
	"fmt"
	"math"
	"math/rand/v2"
	"strconv"

	"github.com/model-delivery/model-delivery/steps/seldonclient/value"
)

// Contract is what a model takes and gives.
type Contract struct {
	Features, Targets []Variable
}

// Variable is one feature or target, after repetitions are unfolded. It stands
// for as many columns as its shape has elements.
type Variable struct {
	Name        string
	Integer     bool // dtype INT; else FLOAT
	Text        bool // dtype STRING
	Categorical bool
	Low, High   float64 // of a continuous one; infinite: no bound
	Values      []any   // of a categorical one
	Width       int     // columns
}

// Bounds on what a file may ask for.
const (
	maxColumns = 1_000_000
	maxRepeat  = 100_000
)

// Parse reads a contract file.
func Parse(data []byte) (*Contract, error) {
	v, err := value.Decode(data)
	if err != nil {
		return nil, err
	}
	object, ok := v.(map[string]any)
	if !ok {
		return nil, fmt.Errorf("a contract is an object with features and targets, this is %s", value.Kind(v))
	}
	c := &Contract{}
	for _, part := range []struct {
		key   string
		into  *[]Variable
		first int
		sep   string
	}{{"features", &c.Features, 1, ""}, {"targets", &c.Targets, 0, ":"}} {
		list, ok := object[part.key].([]any)
		if !ok && object[part.key] != nil {
			return nil, fmt.Errorf("%s is %s, not an array", part.key, value.Kind(object[part.key]))
		}
		columns := 0
		for i, item := range list {
			variable, repeat, err := parseVariable(item)
			if err != nil {
				return nil, fmt.Errorf("%s[%d]: %w", part.key, i, err)
			}
			if columns += max(repeat, 1) * variable.Width; columns > maxColumns {
				return nil, fmt.Errorf("%s have more than %d columns", part.key, maxColumns)
			}
			if repeat == 0 {
				*part.into = append(*part.into, variable)
				continue
			}
			for n := range repeat {
				one := variable
				one.Name = variable.Name + part.sep + strconv.Itoa(n+part.first)
				*part.into = append(*part.into, one)
			}
		}
	}
	if len(c.Features) == 0 {
		return nil, fmt.Errorf("there are no features, so no request can be made")
	}
	return c, nil
}

func parseVariable(item any) (v Variable, repeat int, err error) {
	object, ok := item.(map[string]any)
	if !ok {
		return v, 0, fmt.Errorf("is %s, not an object", value.Kind(item))
	}
	v = Variable{Width: 1, Low: math.Inf(-1), High: math.Inf(1)}
	if v.Name, ok = object["name"].(string); !ok {
		return v, 0, fmt.Errorf("has no name")
	}
	switch dtype, _ := object["dtype"].(string); dtype {
	case "FLOAT", "":
	case "INT":
		v.Integer = true
	case "STRING", "OBJECT":
		v.Text = true
	default:
		return v, 0, fmt.Errorf("%s: dtype %q is not known; there are FLOAT, INT and STRING", v.Name, dtype)
	}
	switch ftype, _ := object["ftype"].(string); ftype {
	case "categorical":
		v.Categorical = true
		v.Values, _ = object["values"].([]any)
		if len(v.Values) == 0 {
			return v, 0, fmt.Errorf("%s is categorical but has no values", v.Name)
		}
	case "continuous", "":
		if v.Text {
			return v, 0, fmt.Errorf("%s is text and needs ftype categorical with values", v.Name)
		}
		if err := v.parseRange(object); err != nil {
			return v, 0, err
		}
	default:
		return v, 0, fmt.Errorf("%s: ftype %q is not known; there are continuous and categorical", v.Name, ftype)
	}
	if shape, ok := object["shape"].([]any); ok {
		for _, n := range shape {
			f, ok := value.Float(n)
			if !ok || f < 1 || f > maxColumns || f != math.Trunc(f) || v.Width*int(f) > maxColumns {
				return v, 0, fmt.Errorf("%s: shape %s is not usable", v.Name, value.String(shape, 60))
			}
			v.Width *= int(f)
		}
	}
	if n, ok := object["repeat"]; ok {
		f, ok := value.Float(n)
		if !ok || f < 1 || f > maxRepeat || f != math.Trunc(f) {
			return v, 0, fmt.Errorf("%s: repeat %s is no whole number from 1 to %d", v.Name, value.String(n, 40), maxRepeat)
		}
		repeat = int(f)
	}
	return v, repeat, nil
}

func (v *Variable) parseRange(object map[string]any) error {
	given, ok := object["range"]
	if !ok {
		return nil
	}
	list, _ := given.([]any)
	if len(list) != 2 {
		return fmt.Errorf("%s: range %s is not two numbers", v.Name, value.String(given, 60))
	}
	for i, bound := range []*float64{&v.Low, &v.High} {
		if text, ok := list[i].(string); ok && text == "inf" {
			continue
		}
		f, ok := value.Float(list[i])
		if !ok || math.IsNaN(f) {
			return fmt.Errorf("%s: range %s is not two numbers, or \"inf\"", v.Name, value.String(given, 60))
		}
		*bound = f
	}
	if v.Low > v.High {
		return fmt.Errorf("%s: range %s is empty", v.Name, value.String(given, 60))
	}
	return nil
}

// Names are those of the columns.
func Names(variables []Variable) []string {
	var out []string
	for _, v := range variables {
		if v.Width == 1 {
			out = append(out, v.Name)
			continue
		}
		for i := range v.Width {
			out = append(out, v.Name+":"+strconv.Itoa(i))
		}
	}
	return out
}

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
		f = v.Low + g.random.Float64()*(v.High-v.Low)
	case low:
		f = v.Low + math.Exp(g.random.NormFloat64())
	case high:
		f = v.High - math.Exp(g.random.NormFloat64())
	default:
		f = g.random.NormFloat64()
	}
	if v.Integer {
		f = math.Round(f)
	} else if rounded := math.Round(f*1000) / 1000; rounded >= v.Low && rounded <= v.High {
		f = rounded
	}
	return min(max(f, v.Low), v.High)
}

// Check holds an answer against the targets: one row for each row sent, one
// column for each target, of the right type and within its range or values.
func (c *Contract) Check(answer any, rows int) error {
	if len(c.Targets) == 0 {
		return nil
	}
	list, ok := answer.([]any)
	if !ok {
		return fmt.Errorf("the answer is %s, not an array of rows", value.Kind(answer))
	}
	if len(list) != rows {
		return fmt.Errorf("the answer has %d rows, %d were sent", len(list), rows)
	}
	names := Names(c.Targets)
	for i, item := range list {
		row, ok := item.([]any)
		if !ok {
			row = []any{item}
		}
		for len(row) == 1 && len(names) > 1 {
			inner, ok := row[0].([]any)
			if !ok {
				break
			}
			row = inner
		}
		if len(row) != len(names) {
			return fmt.Errorf("row %d has %d columns, the contract has %d targets", i, len(row), len(names))
		}
		at := 0
		for _, v := range c.Targets {
			for range v.Width {
				if err := v.check(row[at]); err != nil {
					return fmt.Errorf("row %d, target %s: %w", i, names[at], err)
				}
				at++
			}
		}
	}
	return nil
}

func (v Variable) check(got any) error {
	if v.Categorical {
		for _, allowed := range v.Values {
			if _, number := value.Float(allowed); (number && value.Equal(allowed, got)) || (!number && allowed == got) {
				return nil
			}
		}
		return fmt.Errorf("%s is none of %s", value.String(got, 60), value.String(v.Values, 200))
	}
	f, ok := value.Float(got)
	switch {
	case !ok:
		return fmt.Errorf("%s is not a number", value.String(got, 60))
	case math.IsNaN(f) || math.IsInf(f, 0):
		return fmt.Errorf("%s is not finite", value.String(got, 60))
	case f < v.Low || f > v.High:
		return fmt.Errorf("%v is not from %v to %v", f, v.Low, v.High)
	case v.Integer && f != math.Trunc(f):
		return fmt.Errorf("%v is not a whole number", f)
	}
	return nil
}
