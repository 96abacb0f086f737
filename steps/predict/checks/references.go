package checks

import (
	"path/filepath"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/model-delivery/model-delivery/steps/predict/contract"
	"github.com/model-delivery/model-delivery/steps/predict/dataset"
	"github.com/model-delivery/model-delivery/steps/seldonclient"
)

// Files are the files that the checks name, once each, relative to Dir.
func (f *File) Files() []string {
	var out []string
	seen := map[string]bool{"": true}
	add := func(path string) {
		if !seen[path] {
			seen[path] = true
			out = append(out, path)
		}
	}
	for _, c := range f.Checks {
		if c.Request != nil {
			add(c.Request.File)
		}
		if c.Load != nil && c.Load.Request != nil {
			add(c.Load.Request.File)
		}
		if c.Dataset != nil {
			add(c.Dataset.File.Path)
		}
		if c.Compare != nil && c.Compare.Dataset != nil {
			add(c.Compare.Dataset.File.Path)
		}
		if c.Contract != nil {
			add(c.Contract.File)
		}
		if c.Expect.Schema != nil {
			add(c.Expect.Schema.path)
		}
	}
	return out
}

// Find returns the check of that name; nil when there is none.
func (f *File) Find(name string) *Check {
	for _, c := range f.Checks {
		if c.Name == name {
			return c
		}
	}
	return nil
}

// columns looks whether a dataset has the columns that are asked for.
func (r *reader) columns(n *yaml.Node, where string, d *Dataset) {
	o := d.File
	o.Path = filepath.Join(r.dir, o.Path)
	names, err := dataset.Columns(o)
	if err != nil {
		r.problem(n, where, "%s: %v", d.File.Path, err)
		return
	}
	if len(d.Inputs) == 0 {
		// Everything but the label is what the model is given.
		for _, name := range names {
			if name != d.Label {
				d.Inputs = append(d.Inputs, name)
			}
		}
	}
	wanted := slices.Clone(d.Inputs)
	if d.Label != "" {
		wanted = append(wanted, d.Label)
	}
	for name := range d.File.Types {
		wanted = append(wanted, name)
	}
	for _, name := range wanted {
		if !slices.Contains(names, name) {
			r.problem(n, where, "%s has no column %q; it has %s", d.File.Path, name, cut(strings.Join(names, ", "), 300))
		}
	}
}

func (r *reader) contractFile(n *yaml.Node, where string, c *Contract) {
	data, err := readBounded(filepath.Join(r.dir, c.File), MaxFile)
	var terms *contract.Contract
	if err == nil {
		terms, err = contract.Parse(data)
	}
	if err == nil {
		err = terms.Fits(c.Batch)
	}
	switch {
	case err != nil:
		r.problem(n, where, "%s: %v", c.File, err)
	case c.Payload == "tensor" && terms.NoNumber() != "":
		r.problem(n, where, "%s: feature %s is not of numbers, which payload tensor needs; use ndarray", c.File, terms.NoNumber())
	}
}

// fits looks whether the parts of a check belong together.
func (r *reader) fits(n *yaml.Node, where string, c *Check) {
	at := &yaml.Node{Line: n.Line, Column: n.Column}
	if d := c.Dataset; d != nil {
		quality := false
		for name := range c.Expect.Metrics {
			quality = true
			if d.Label == "" {
				r.problem(at, join(where, "dataset"), "has no label, which expect.%s needs", name)
			}
		}
		if c.HasExpect && !quality && len(c.Expect.Latencies) == 0 {
			r.problem(at, join(where, "expect"), "expects nothing of the dataset; known are %s", strings.Join(metricFields, ", "))
		}
	}
	if q := c.Request; q != nil {
		r.requestFits(at, where, c, q)
	}
	if l := c.Load; l != nil && l.Request != nil {
		r.requestFits(at, where, c, l.Request)
	}
	if c.Transport == seldonclient.GRPC && c.Protocol == seldonclient.TensorFlow {
		r.problem(at, where, "protocol tensorflow is spoken over REST only")
	}
	if c.Expect.Payload != nil && len(c.Expect.Outputs) > 0 {
		r.problem(at, join(where, "expect"), "has both outputs and %s", c.Expect.Payload.Kind)
	}
	if len(c.Expect.Outputs) > 0 && c.Protocol == seldonclient.Seldon {
		r.problem(at, join(where, "expect.outputs"), "is of protocols v2 and tensorflow, this check speaks %s", c.Protocol)
	}
}

func (r *reader) requestFits(at *yaml.Node, where string, c *Check, q *Request) {
	body, _ := q.Body.(map[string]any)
	has := func(keys ...string) string {
		for _, key := range keys {
			if _, ok := body[key]; ok {
				return key
			}
		}
		return ""
	}
	wrong := ""
	switch c.Protocol {
	case seldonclient.Seldon:
		wrong = has("inputs", "instances", "signature_name", "outputs", "parameters", "id")
	case seldonclient.V2:
		wrong = has("strData", "binData", "jsonData", "instances", "signature_name")
	case seldonclient.TensorFlow:
		wrong = has("strData", "binData", "jsonData", "outputs", "parameters", "id")
	}
	if q.Raw != nil {
		wrong = "" // a file may hold anything
		if c.Transport == seldonclient.GRPC && q.Body == nil {
			r.problem(at, where, "a raw request can be sent over REST only; set transport: rest for this check")
		}
	}
	if wrong != "" {
		r.problem(at, join(where, "request."+wrong), "is not of protocol %s", c.Protocol)
	}
	feedback := has("request", "response", "reward", "truth")
	switch {
	case c.Method == seldonclient.Feedback && feedback == "" && q.Raw == nil:
		r.problem(at, join(where, "request"), "of feedback needs request, response, reward or truth")
	case c.Method != seldonclient.Feedback && feedback != "":
		r.problem(at, join(where, "request."+feedback), "belongs to feedback; set method: feedback")
	}
	if c.Protocol == seldonclient.Seldon && q.Raw == nil && c.Method != seldonclient.Feedback {
		payloads := 0
		for _, key := range []string{"data", "strData", "binData", "jsonData"} {
			if has(key) != "" {
				payloads++
			}
		}
		if payloads != 1 {
			r.problem(at, join(where, "request"), "needs one of data, strData, binData and jsonData, has %d", payloads)
		}
	}
	if q.Binary && c.Protocol != seldonclient.V2 {
		r.problem(at, join(where, "request.binary"), "is of protocol v2")
	}
}

// references looks at what checks say of one another.
func (r *reader) references(f *File) {
	seen := make(map[string]*Check, len(f.Checks))
	for i, c := range f.Checks {
		problem := func(format string, args ...any) {
			r.problem(&yaml.Node{Line: c.Line, Column: 1}, index("checks", i), format, args...)
		}
		if first, twice := seen[c.Name]; twice && c.Name != "" {
			problem("has the name of the check in line %d, %q", first.Line, c.Name)
		}
		seen[c.Name] = c
		var wanted []string
		if c.Load != nil && c.Load.Check != "" {
			wanted = append(wanted, c.Load.Check)
		}
		if c.Compare != nil {
			wanted = append(wanted, c.Compare.Checks...)
		}
		for _, name := range wanted {
			switch other := f.Find(name); {
			case other == nil:
				problem("names check %q, which is not there%s", name, suggestion(name, names(f)))
			case other.Request == nil:
				problem("names check %q, which is one with %s, not with a request", name, other.Kind())
			}
		}
	}
}

func names(f *File) []string {
	var out []string
	for _, c := range f.Checks {
		if c.Request != nil && len(out) < 20 {
			out = append(out, c.Name)
		}
	}
	return out
}
