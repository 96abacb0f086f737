package predict

import (
	"cmp"
	"context"
	"fmt"
	"sync"

	"github.com/model-delivery/model-delivery/steps/predict/checks"
	"github.com/model-delivery/model-delivery/steps/seldonclient"
	"github.com/model-delivery/model-delivery/steps/seldonclient/value"
)

// reads tells what is wrong in the file of a check with a dataset. It is read to
// its end, once, before anything is asked: a bad line is wrong input, which says
// nothing of the model.
func (s *session) reads(c *checks.Check) error {
	s.mu.Lock()
	read := s.datasets[c]
	if read == nil {
		read = sync.OnceValue(func() error { return s.readAll(c) })
		s.datasets[c] = read
	}
	s.mu.Unlock()
	return read()
}

func (s *session) readAll(c *checks.Check) error {
	d := c.Dataset
	if c.Compare != nil {
		d = c.Compare.Dataset
	}
	if d == nil {
		return nil
	}
	regress := newScorer(c).regress
	typed := s.speaks(c).protocol == seldonclient.V2
	datatype := ""
	var wrong error
	err := s.batches(context.Background(), d, func(b batch) bool {
		if d.Payload == "tensor" {
			if wrong = onlyNumbers(b, d.Inputs); wrong != nil {
				return false
			}
		}
		if typed {
			if datatype, wrong = rowsType(datatype, b); wrong != nil {
				return false
			}
		}
		for i, label := range b.labels {
			if err := goodLabel(label, regress); err != nil {
				wrong = fmt.Errorf("line %d: %w", b.lines[i], err)
				return false
			}
		}
		return true
	})
	if wrong != nil {
		err = wrong
	}
	if err != nil {
		return fmt.Errorf("%s: %w", d.File.Path, err)
	}
	s.setType(c, datatype)
	return nil
}

// rowsType is the datatype of rows and of those before them, so that all batches
// of a file are sent as one.
func rowsType(before string, b batch) (string, error) {
	for i, row := range b.rows {
		this, err := datatypeOf(row)
		if err == nil {
			before, err = widest(before, this)
		}
		if err != nil {
			return "", fmt.Errorf("line %d: %w", b.lines[i], err)
		}
	}
	return before, nil
}

// setType keeps the datatype that all requests of a check have in V2.
func (s *session) setType(c *checks.Check, datatype string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.types[c] = datatype
}

// defaultsFor are the file's, with a datatype where all requests of a check have one.
func (s *session) defaultsFor(c *checks.Check) checks.Defaults {
	d := s.options.File.Defaults
	s.mu.Lock()
	defer s.mu.Unlock()
	d.Datatype = cmp.Or(d.Datatype, s.types[c])
	return d
}

// goodLabel tells whether a label is one of the kind that the metrics need.
func goodLabel(label any, regress bool) error {
	if !regress {
		_, err := labels{}.label(label)
		return err
	}
	if _, ok := value.Float(label); !ok {
		return fmt.Errorf("the label %s is not a number", value.String(label, 60))
	}
	return nil
}

// onlyNumbers tells whether rows can be a tensor.
func onlyNumbers(b batch, columns []string) error {
	for i, row := range b.rows {
		for j, v := range row {
			if _, ok := value.Float(v); !ok {
				return fmt.Errorf("line %d: column %q has %s, payload tensor holds numbers alone; use ndarray", b.lines[i], columns[j], value.String(v, 60))
			}
		}
	}
	return nil
}
