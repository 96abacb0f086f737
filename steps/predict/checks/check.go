package checks

import (
	"cmp"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"

	"github.com/model-delivery/model-delivery/steps/predict/dataset"
	"github.com/model-delivery/model-delivery/steps/seldonclient"
)

// maxName bounds the name of a check: it becomes a test case's name.
const maxName = 200

func (r *reader) check(n *yaml.Node, where string, d Defaults) *Check {
	c := &Check{Line: n.Line, Protocol: d.Protocol, Transport: d.Transport, Timeout: d.Timeout, Tolerance: d.Tolerance, Classes: d.Classes, Method: seldonclient.Predict}
	known := []string{"name", "protocol", "transport", "timeout", "method", "classes", "request", "dataset", "load", "contract", "compare", "expect"}
	var named, expect *yaml.Node
	kinds := 0
	if !r.each(n, where, known, func(key string, v *yaml.Node) bool {
		at := join(where, key)
		switch key {
		case "name":
			named = v
			c.Name = r.text(v, at)
			if len(c.Name) > maxName {
				r.problem(v, at, "is longer than %d bytes", maxName)
			}
			return true
		case "protocol":
			c.Protocol = cmp.Or(r.protocol(v, at), d.Protocol)
			c.SaysProtocol = true
		case "transport":
			c.Transport = cmp.Or(r.transport(v, at), d.Transport)
			c.SaysTransport = true
		case "timeout":
			c.Timeout = r.duration(v, at)
		case "method":
			words := make([]string, 0, 8)
			for _, m := range seldonclient.Methods() {
				words = append(words, string(m))
			}
			c.Method = cmp.Or(seldonclient.Method(r.choice(v, at, words...)), seldonclient.Predict)
		case "classes":
			c.Classes = r.texts(v, at)
		case "request":
			kinds++
			c.Request = r.request(v, at)
		case "dataset":
			kinds++
			c.Dataset = r.dataset(v, at)
		case "load":
			kinds++
			c.Load = r.load(v, at)
		case "contract":
			kinds++
			c.Contract = r.contract(v, at)
		case "compare":
			kinds++
			c.Compare = r.compare(v, at)
		case "expect":
			expect = v
		default:
			return false
		}
		return true
	}) {
		return nil
	}
	if named == nil {
		r.problem(n, where, "has no name")
	}
	asks := c.Method == seldonclient.Predict || c.Method == seldonclient.Feedback || c.Method == seldonclient.Explain
	switch {
	case kinds > 1:
		r.problem(n, where, "has more than one of request, dataset, load, contract and compare")
	case kinds == 0 && asks:
		r.problem(n, where, "has none of request, dataset, load, contract and compare")
	case kinds == 1 && !asks:
		r.problem(n, where, "method %s takes no request", c.Method)
	}
	if expect != nil {
		c.HasExpect = true
		before := len(r.problems)
		c.Expect = r.expect(expect, join(where, "expect"), c)
		if c.Dataset == nil && len(r.problems) == before && c.Expect.nothing() {
			r.problem(expect, join(where, "expect"), "expects nothing; leave it out where any answer is right, or say what is: %s", strings.Join(expectFields(c), ", "))
		}
		if c.Expect.Tolerance != nil {
			c.Tolerance = *c.Expect.Tolerance
		}
	}
	r.fits(n, where, c)
	return c
}

func (r *reader) dataset(n *yaml.Node, where string) *Dataset {
	d := &Dataset{Batch: 1, Payload: "ndarray", Concurrency: 1}
	d.File.Types = map[string]string{}
	known := []string{"file", "format", "delimiter", "types", "limit", "inputs", "label", "batch", "payload", "rows", "names", "concurrency", "output"}
	var file *yaml.Node
	if !r.each(n, where, known, func(key string, v *yaml.Node) bool {
		at := join(where, key)
		switch key {
		case "file":
			file = v
			d.File.Path = r.path(v, at)
		case "format":
			d.File.Format = r.choice(v, at, dataset.CSV, dataset.TSV, dataset.JSONLines)
		case "delimiter":
			text := []rune(r.text(v, at))
			if len(text) != 1 {
				r.problem(v, at, "is not one character")
				break
			}
			d.File.Delimiter = text[0]
		case "types":
			t := r.resolve(v, at)
			if t == nil || t.Kind != yaml.MappingNode {
				r.problem(v, at, "is no mapping from columns to text, number or bool")
				break
			}
			for i := 0; i+1 < len(t.Content); i += 2 {
				name := r.text(t.Content[i], at)
				d.File.Types[name] = r.choice(t.Content[i+1], join(at, name), dataset.Text, dataset.Number, dataset.Bool)
			}
		case "limit":
			d.File.Limit = r.count(v, at, 1, 1<<40)
		case "inputs":
			d.Inputs = r.texts(v, at)
		case "label":
			d.Label = r.text(v, at)
		case "batch":
			d.Batch = r.count(v, at, 1, 100_000)
		case "payload":
			d.Payload = r.choice(v, at, "ndarray", "tensor")
		case "rows":
			d.Rows = r.flag(v, at)
		case "names":
			d.Names = r.flag(v, at)
		case "concurrency":
			d.Concurrency = r.count(v, at, 1, 256)
		case "output":
			d.Output = r.text(v, at)
		default:
			return false
		}
		return true
	}) {
		return nil
	}
	switch {
	case file == nil:
		r.problem(n, where, "names no file")
	case d.File.Path != "":
		r.columns(file, join(where, "file"), d)
	}
	return d
}

func (r *reader) load(n *yaml.Node, where string) *Load {
	l := &Load{Concurrency: 1}
	known := []string{"check", "request", "rate", "duration", "requests", "concurrency", "warmUp"}
	if !r.each(n, where, known, func(key string, v *yaml.Node) bool {
		at := join(where, key)
		switch key {
		case "check":
			l.Check = r.text(v, at)
		case "request":
			l.Request = r.request(v, at)
		case "rate":
			l.Rate = r.rate(v, at)
		case "duration":
			if l.Duration = r.duration(v, at); l.Duration > maxLoad {
				r.problem(v, at, "is longer than %s", maxLoad)
			}
		case "requests":
			l.Requests = r.count(v, at, 1, 100_000_000)
		case "concurrency":
			l.Concurrency = r.count(v, at, 1, 1024)
		case "warmUp":
			l.WarmUp = r.duration(v, at)
		default:
			return false
		}
		return true
	}) {
		return nil
	}
	switch {
	case l.Check == "" && l.Request == nil:
		r.problem(n, where, "says neither check nor request; one of them is sent over and over")
	case l.Check != "" && l.Request != nil:
		r.problem(n, where, "says both check and request")
	}
	if l.Duration == 0 && l.Requests == 0 {
		r.problem(n, where, "has no end: give duration, requests or both")
	}
	if l.Duration == 0 {
		l.Duration = maxLoad
	}
	return l
}

// maxLoad bounds how long a load runs.
const maxLoad = time.Hour

func (r *reader) contract(n *yaml.Node, where string) *Contract {
	c := &Contract{Seed: 1, Requests: 10, Batch: 1, Payload: "ndarray"}
	var file *yaml.Node
	known := []string{"file", "seed", "requests", "batch", "payload"}
	if !r.each(n, where, known, func(key string, v *yaml.Node) bool {
		at := join(where, key)
		switch key {
		case "file":
			file = v
			c.File = r.path(v, at)
		case "seed":
			c.Seed = uint64(r.count(v, at, 0, 1<<53))
		case "requests":
			c.Requests = r.count(v, at, 1, 1_000_000)
		case "batch":
			c.Batch = r.count(v, at, 1, 100_000)
		case "payload":
			c.Payload = r.choice(v, at, "ndarray", "tensor")
		default:
			return false
		}
		return true
	}) {
		return nil
	}
	switch {
	case file == nil:
		r.problem(n, where, "names no file")
	case c.File != "":
		r.contractFile(file, join(where, "file"), c)
	}
	return c
}

func (r *reader) compare(n *yaml.Node, where string) *Compare {
	c := &Compare{}
	n = r.resolve(n, where)
	if n != nil && n.Kind == yaml.ScalarNode && n.Value == "all" {
		return c
	}
	if n == nil || !r.each(n, where, []string{"checks", "dataset"}, func(key string, v *yaml.Node) bool {
		switch key {
		case "checks":
			c.Checks = r.texts(v, join(where, key))
		case "dataset":
			c.Dataset = r.dataset(v, join(where, key))
		default:
			return false
		}
		return true
	}) {
		return nil
	}
	if c.Dataset != nil && len(c.Checks) > 0 {
		r.problem(n, where, "says both checks and dataset")
	}
	return c
}

// checks reads the items of a list of checks.
func (r *reader) checks(list *yaml.Node, d Defaults) []*Check {
	var all []*Check
	r.list(list, "checks", func(i int, item *yaml.Node) {
		if c := r.check(item, index("checks", i), d); c != nil {
			all = append(all, c)
		}
	})
	return all
}
