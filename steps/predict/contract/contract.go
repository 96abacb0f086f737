// Package contract reads Seldon's contract files, which describe what a model
// takes and gives, makes requests from them, and holds answers against them.
package contract

import (
	"fmt"
	"math"
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
	maxValues  = 1_000_000 // in one request
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
		if err := v.usable(); err != nil {
			return v, 0, err
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

// usable tells whether the values of a categorical variable are such as a column
// can have.
func (v *Variable) usable() error {
	for i, item := range v.Values {
		f, number := value.Float(item)
		switch item.(type) {
		case []any, map[string]any:
			return fmt.Errorf("%s: values[%d] is %s; texts, numbers and booleans are needed", v.Name, i, value.Kind(item))
		}
		if number && !value.IsFinite(f) {
			return fmt.Errorf("%s: values[%d] is not finite", v.Name, i)
		}
	}
	return nil
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
	if v.Low > v.High || math.IsInf(v.Low, 1) || math.IsInf(v.High, -1) {
		return fmt.Errorf("%s: range %s is empty", v.Name, value.String(given, 60))
	}
	if v.Integer {
		if v.Low, v.High = math.Ceil(v.Low), math.Floor(v.High); v.Low > v.High {
			return fmt.Errorf("%s: range %s has no whole number", v.Name, value.String(given, 60))
		}
	}
	return nil
}

// Fractions tells whether all features are numbers and some need not be whole.
func (c *Contract) Fractions() bool {
	fractions := false
	for _, v := range c.Features {
		fractions = fractions || !v.Categorical && !v.Integer
		for _, one := range v.Values {
			f, _ := value.Float(one)
			fractions = fractions || f != math.Trunc(f)
		}
	}
	return fractions && c.NoNumber() == ""
}

// NoNumber is the name of a feature that has values other than numbers, which a
// tensor cannot hold; "": there is none.
func (c *Contract) NoNumber() string {
	for _, v := range c.Features {
		for _, one := range v.Values {
			if _, ok := value.Float(one); !ok {
				return v.Name
			}
		}
	}
	return ""
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
