package predict

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/spf13/pflag"

	"github.com/model-delivery/model-delivery/steps/predict/checks"
	"github.com/model-delivery/model-delivery/steps/seldonclient"
	"github.com/model-delivery/model-delivery/steps/seldonclient/value"
	"github.com/model-delivery/model-delivery/steps/step"
)

// recordFlags are those of recording.
type recordFlags struct {
	checks, only, output string
	overwrite            bool
	repeat               int
	absolute, relative   float64
	readyTimeout         time.Duration
}

func (f *recordFlags) register(fs *pflag.FlagSet) {
	fs.StringVar(&f.checks, "checks", "", "the file of checks whose requests are sent")
	fs.StringVar(&f.only, "only", "", "record only checks whose name this regular expression finds")
	fs.StringVar(&f.output, "output", "", "file to write the checks with their expectations into; it may be the file of checks itself (default: standard output)")
	fs.BoolVar(&f.overwrite, "overwrite", false, "replace expectations that are there already")
	fs.IntVar(&f.repeat, "repeat", 3, "how often each request is sent; an answer that is not the same each time is not recorded")
	fs.Float64Var(&f.absolute, "tolerance-absolute", 1e-6, "absolute tolerance to write beside answers that are no whole numbers")
	fs.Float64Var(&f.relative, "tolerance-relative", 1e-4, "relative tolerance to write beside answers that are no whole numbers")
	fs.DurationVar(&f.readyTimeout, "ready-timeout", time.Minute, "how long to wait for a model that does not answer yet")
}

func recordCommand() *step.Command {
	access, cluster, flags := &accessFlags{}, &clusterFlags{}, &recordFlags{}
	return &step.Command{
		Name:  "record",
		Short: "write down what a deployment answers, as what is expected from now on",
		Long: `Sends the request of every check that expects nothing yet, and writes the file
with the answers as expectations. What a model answers is not thereby right:
read the difference before you commit it.`,
		Example: "seldon-predict record --checks integration/predictions.yaml --endpoint http://127.0.0.1:9000 --output integration/predictions.yaml",
		Flags: func(fs *pflag.FlagSet) {
			flags.register(fs)
			access.register(fs)
			cluster.register(fs)
		},
		Run: func(ctx context.Context, rt *step.Runtime) error {
			return printableError(record(ctx, rt, access, cluster, flags))
		},
	}
}

func record(ctx context.Context, rt *step.Runtime, access *accessFlags, cluster *clusterFlags, flags *recordFlags) error {
	if flags.checks == "" {
		return step.Invalidf("--checks is needed: the file of checks whose requests are sent")
	}
	file, err := checks.Read(flags.checks)
	if err != nil {
		return step.Invalid(err)
	}
	data, err := os.ReadFile(flags.checks)
	if err != nil {
		return step.Invalid(err)
	}
	selected, err := flags.selected(file)
	if err != nil {
		return err
	}
	if len(selected) == 0 {
		rt.Logf("%s: every check with a request expects something already; --overwrite records anew", flags.checks)
		return flags.write(rt, data)
	}
	cluster.explain = asksExplainer(selected)
	d, err := resolve(ctx, rt, access, cluster, flags.readyTimeout)
	if err != nil {
		return err
	}
	defer d.close()
	if len(d.targets) != 1 {
		return step.Invalidf("the deployment has %d predictors; say with --predictor whose answers are recorded", len(d.targets))
	}
	s := newSession(Options{File: file, ReadyTimeout: flags.readyTimeout, Retries: 2, Concurrency: 1, Secrets: secrets(rt), Log: rt.Logf}, d.targets[0])
	defer s.close()
	selected = slices.DeleteFunc(selected, func(c *checks.Check) bool {
		why := s.skips(c)
		if why != "" {
			rt.Logf("%s is not recorded: %s", c.Name, why)
		}
		return why != ""
	})
	for _, c := range selected {
		if err := s.prepares(c); err != nil {
			return step.Invalidf("%s:%d: check %q: %w", file.Path, c.Line, c.Name, err)
		}
	}
	if _, err := s.ready(ctx, selected); err != nil {
		return step.Infra(err)
	}
	expectations := map[string][]checks.Field{}
	for _, c := range selected {
		fields, err := s.observe(ctx, c, flags)
		if err != nil {
			return fmt.Errorf("%s:%d: check %q: %w", file.Path, c.Line, c.Name, err)
		}
		expectations[c.Name] = fields
		rt.Logf("%s: %s", printable(c.Name), printable(shorten(value.String(fields[0].Value, 200), 200)))
	}
	out, err := checks.Record(data, expectations)
	if err != nil {
		return step.Invalid(err)
	}
	// What was written has to be what would be read.
	if _, problems := checks.Parse(flags.checks, file.Dir, out); len(problems) > 0 {
		return step.Infraf("what was recorded cannot be read again: %w", problems)
	}
	rt.Logf("%d expectations recorded; a model may be wrong, so read them before they are committed", len(expectations))
	return flags.write(rt, out)
}

// selected are the checks to record.
func (f *recordFlags) selected(file *checks.File) ([]*checks.Check, error) {
	only, err := regexp.Compile(f.only)
	if err != nil {
		return nil, step.Invalidf("--only: %w", err)
	}
	var out []*checks.Check
	for _, c := range file.Checks {
		if c.Request != nil && c.Method != seldonclient.Feedback && only.MatchString(c.Name) && (f.overwrite || !c.HasExpect) {
			out = append(out, c)
		}
	}
	return out, nil
}

func (f *recordFlags) write(rt *step.Runtime, data []byte) error {
	if f.output == "" {
		_, err := rt.Stdout.Write(data)
		return err
	}
	if err := replaceFile(f.output, data); err != nil {
		return step.Infraf("write the checks: %w", err)
	}
	return nil
}

// observe asks a check's request several times and returns what to expect.
func (s *session) observe(ctx context.Context, c *checks.Check, flags *recordFlags) ([]checks.Field, error) {
	p, err := s.prepare(c, c.Request)
	if err != nil {
		return nil, step.Invalid(err)
	}
	var first *seldonclient.Answer
	var fields []checks.Field
	for range max(flags.repeat, 1) {
		// Any status is an answer worth writing down, but for those that pass.
		a, _, err := s.ask(ctx, p, nil, s.options.Retries)
		if err != nil {
			return nil, step.Infra(errors.New(s.options.Secrets(err.Error())))
		}
		if passing(a.Status) {
			return nil, step.Infraf("HTTP status %d, which says nothing of the model", a.Status)
		}
		got, err := flags.expectation(a, s.speaks(c).protocol)
		if err != nil {
			return nil, step.Failed(err)
		}
		if first == nil {
			first, fields = a, got
		} else if !bytes.Equal(flat(fields), flat(got)) {
			return nil, step.WithHint(step.Failedf("the same request is answered in two ways: %s and %s", shorten(string(flat(fields)), 200), shorten(string(flat(got)), 200)),
				"a model that draws at random needs bounds instead: range, class, shape or schema")
		}
	}
	return fields, nil
}

// flat is an expectation as JSON, for comparison.
func flat(fields []checks.Field) []byte {
	var out []byte
	for _, f := range fields {
		out = append(append(out, f.Key...), ':', ' ')
		out = append(value.Append(out, f.Value), ' ')
	}
	return out
}

// expectation is what an answer would be expected as.
func (f *recordFlags) expectation(a *seldonclient.Answer, protocol seldonclient.Protocol) ([]checks.Field, error) {
	if status, own := statusOf(a); own || status >= 300 {
		return []checks.Field{{Key: "status", Value: float64(status)}}, nil
	}
	m, err := a.Message()
	switch {
	case err != nil:
		return nil, err
	case m.Failure != nil:
		return nil, fmt.Errorf("the answer says FAILURE under HTTP status %d: %s", a.Status, m.Failure)
	case m.Kind == "":
		return nil, fmt.Errorf("the answer has no payload to expect")
	}
	var field checks.Field
	switch m.Kind {
	case "outputs":
		field = checks.Field{Key: "outputs", Value: outputsOf(m)}
		if protocol == seldonclient.TensorFlow {
			field.Value = literally(columns(m, false))
		}
	case "ndarray", "tensor", "tftensor":
		// However it came, the values are what counts.
		data := map[string]any{"ndarray": literally(asRows(m.Value))}
		if len(m.Names) > 0 {
			data["names"] = texts(m.Names)
		}
		field = checks.Field{Key: "data", Value: data}
	case "strData", "binData", "jsonData", "predictions":
		field = checks.Field{Key: m.Kind, Value: literally(m.Value)}
	default:
		return nil, fmt.Errorf("an answer of kind %s cannot be expected", m.Kind)
	}
	out := []checks.Field{field}
	if fractional(m) {
		out = append(out, checks.Field{Key: "tolerance", Value: map[string]any{"absolute": f.absolute, "relative": f.relative}})
	}
	return out, nil
}

// asRows is a tensor as an array, also one without dimensions.
func asRows(v any) any {
	if _, ok := v.([]any); ok {
		return v
	}
	return []any{v}
}

func texts(list []string) []any {
	out := make([]any, len(list))
	for i, text := range list {
		out[i] = text
	}
	return out
}

// literally keeps objects of the answer's, however deep they are, from being read
// as matchers.
func literally(v any) any {
	if hasMatcher(v) {
		return map[string]any{"$literal": v}
	}
	return v
}

// hasMatcher tells whether any object in v would be read as a matcher.
func hasMatcher(v any) bool {
	switch x := v.(type) {
	case []any:
		return slices.ContainsFunc(x, hasMatcher)
	case map[string]any:
		for key, item := range x {
			if strings.HasPrefix(key, "$") || hasMatcher(item) {
				return true
			}
		}
	}
	return false
}

func outputsOf(m *seldonclient.Message) []any {
	out := make([]any, len(m.Outputs))
	for i, t := range m.Outputs {
		shape := make([]any, len(t.Shape))
		for j, n := range t.Shape {
			shape[j] = float64(n)
		}
		out[i] = map[string]any{"name": t.Name, "datatype": t.Datatype, "shape": shape, "data": t.Value}
	}
	return out
}

// fractional tells whether any number of an answer is not whole.
func fractional(m *seldonclient.Message) bool {
	for _, v := range payloadValues(m) {
		if f, ok := v.(float64); ok && f != float64(int64(f)) {
			return true
		}
	}
	return false
}
