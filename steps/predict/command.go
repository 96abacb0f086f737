package predict

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"regexp"
	"runtime/debug"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/pflag"

	"github.com/model-delivery/model-delivery/steps/predict/checks"
	"github.com/model-delivery/model-delivery/steps/predict/report"
	"github.com/model-delivery/model-delivery/steps/seldonclient"
	"github.com/model-delivery/model-delivery/steps/step"
)

// Command is the seldon-predict binary.
func Command() *step.Command {
	run := runCommand("seldon-predict")
	run.Short = "check the predictions of a deployed model against a file of checks"
	again := runCommand("run")
	run.Subcommands = []*step.Command{again, recordCommand(), lintCommand()}
	return run
}

func runCommand(name string) *step.Command {
	access, cluster, flags := &accessFlags{}, &clusterFlags{}, &runFlags{}
	return &step.Command{
		Name:  name,
		Short: "run the checks (what happens without a command, too)",
		Long: `Asks the model what the checks say and compares the answers. A call that gets
no answer is repeated, and each time is counted and shown; a wrong answer is
never asked for again.

Results: outcome (passed, or the first stage that a check failed at: not-ready,
transport, http, schema, value, slo), passed and failed (how many checks),
accuracy (the lowest of any dataset), p95-ms and digest (of the checks and the
files they name).`,
		Example: `seldon-predict --checks integration/predictions.yaml --endpoint http://127.0.0.1:9000
seldon-predict --checks integration/predictions.yaml --endpoint gateway.example.com --namespace staging --deployment news-classifier --report-dir report`,
		Flags: func(fs *pflag.FlagSet) {
			flags.register(fs)
			access.register(fs)
			cluster.register(fs)
		},
		Run: func(ctx context.Context, rt *step.Runtime) error {
			return printableError(runChecks(ctx, rt, access, cluster, flags))
		},
	}
}

func runChecks(ctx context.Context, rt *step.Runtime, access *accessFlags, cluster *clusterFlags, flags *runFlags) error {
	if flags.checks == "" {
		return step.Invalidf("--checks is needed: the file of checks to run")
	}
	reports, err := flags.reports()
	if err != nil {
		return err
	}
	// Those of an earlier run are not this one's, however it ends.
	if err := report.Remove(reports); err != nil {
		return step.Infra(err)
	}
	defer manyChecks(flags.checks)()
	file, err := checks.Read(flags.checks)
	if err != nil {
		return step.Invalid(err)
	}
	rt.Results.Set("digest", file.Digest)
	o := Options{File: file, ReadyTimeout: flags.readyTimeout, Retries: flags.retries, Concurrency: flags.concurrency, Secrets: secrets(rt), Log: rt.Logf, Reports: reports}
	if flags.only != "" {
		if o.Only, err = regexp.Compile(flags.only); err != nil {
			return step.Invalidf("--only: %w", err)
		}
	}
	ctx, cancel := context.WithTimeoutCause(ctx, flags.timeout, fmt.Errorf("--timeout of %s is over", flags.timeout))
	defer cancel()
	start := time.Now()
	cluster.explain = asksExplainer((&runner{options: o}).selected())
	d, err := resolve(ctx, rt, access, cluster, flags.readyTimeout)
	if err != nil {
		if cause := context.Cause(ctx); ctx.Err() != nil && !strings.Contains(err.Error(), cause.Error()) {
			err = fmt.Errorf("%w: %w", err, cause)
		}
		if code := step.ExitCode(err); code == step.ExitFailed || code == step.ExitInfra {
			return notThere(rt, o, start, reports, err)
		}
		return err
	}
	defer d.close()
	o.Targets, o.Baseline, o.Images = d.targets, d.baseline, d.images
	// What the cluster took to become ready is not given again.
	o.ReadyTimeout = max(flags.readyTimeout-time.Since(start), time.Second)
	if o.Baseline != nil {
		cluster.addComparison(file)
	}
	rt.Logf("%s: %d checks against %s", file.Path, len(file.Checks), names(o.Targets))
	done, err := Run(ctx, o)
	if done == nil {
		if _, ok := errors.AsType[*InputError](err); ok {
			return step.Invalid(err)
		}
		return step.Infra(err)
	}
	d.addLogs(ctx, access, done, rt.Redact.String)
	failed := conclude(rt, done, reports)
	switch {
	case err != nil && failed == nil:
		failed = step.Infraf("the run was ended: %w", context.Cause(ctx))
	case err != nil:
		failed = fmt.Errorf("%w; the run was ended: %w", failed, context.Cause(ctx))
	}
	return failed
}

// secrets takes secrets out of a text, and what is left of one where [shorten] or
// [value.String] cut it.
func secrets(rt *step.Runtime) func(string) string {
	return func(text string) string { return rt.Redact.Cut(text, "…") }
}

// manyChecks lets a process with a long file of checks look for garbage less
// often: most of what thousands of checks make is kept for the report. It returns
// what undoes that, and leaves alone who says how often by GOGC.
func manyChecks(path string) (undo func()) {
	info, err := os.Stat(path)
	if err != nil || info.Size() < 128<<10 || os.Getenv("GOGC") != "" {
		return func() {}
	}
	before := debug.SetGCPercent(400)
	return func() { debug.SetGCPercent(before) }
}

// notThere reports that no check was run, since the deployment did not come up.
func notThere(rt *step.Runtime, o Options, start time.Time, dir string, err error) error {
	r := newReport(o.File)
	for _, c := range (&runner{options: o}).selected() {
		out := report.Check{Name: c.Name, Kind: c.Kind(), Line: c.Line, Findings: []report.Finding{{Stage: report.NotReady, Message: rt.Redact.String(err.Error())}}}
		out.Settle()
		r.Checks = append(r.Checks, out)
	}
	r.Seconds = time.Since(start).Seconds()
	r.Close()
	setResults(rt, r)
	if dir != "" {
		if writeErr := r.Write(dir, rt.Redact.String); writeErr != nil {
			rt.Logf("%v", writeErr)
		}
	}
	return err
}

// names lists the targets for people.
func names(targets []Target) string {
	var out []string
	for _, t := range targets {
		text := t.Options.Target.Endpoint
		if t.Name != "" {
			text = t.Name + " at " + text
		}
		out = append(out, text)
	}
	return strings.Join(out, ", ")
}

// addComparison adds a comparison of every request, where the file has none.
func (f *clusterFlags) addComparison(file *checks.File) {
	for _, c := range file.Checks {
		if c.Compare != nil {
			return
		}
	}
	c := &checks.Check{
		Name: "compared with the baseline", Protocol: file.Defaults.Protocol, Transport: file.Defaults.Transport, Timeout: file.Defaults.Timeout,
		Method: seldonclient.Predict, Tolerance: file.Defaults.Tolerance, Compare: &checks.Compare{},
	}
	if f.agreement > 0 {
		c.Expect.Agreement = &checks.Range{Min: &f.agreement}
	}
	if f.slowdown > 0 {
		c.Expect.Slowdown = &checks.Range{Max: &f.slowdown}
	}
	file.Checks = append(file.Checks, c)
}

// conclude writes results and reports, and turns failed checks into an error.
func conclude(rt *step.Runtime, r *report.Report, dir string) error {
	written := make(chan error, 1)
	go func() {
		if dir == "" {
			written <- nil
			return
		}
		written <- r.Write(dir, rt.Redact.String)
	}()
	out := bufio.NewWriter(rt.Stdout) // there may be thousands of lines
	for i := range r.Checks {
		printCheck(out, &r.Checks[i])
	}
	for _, note := range r.Notes {
		fmt.Fprintln(out, printable("note: "+note))
	}
	printLogs(out, r.Logs)
	_ = out.Flush() // results and reports matter, read or not
	setResults(rt, r)
	if err := <-written; err != nil {
		return step.Infra(err)
	}
	summary := fmt.Sprintf("%d checks passed, %d failed", r.Passed, r.Failed)
	if r.Skipped > 0 {
		summary += fmt.Sprintf(", %d skipped", r.Skipped)
	}
	if r.Flakes > 0 {
		summary += fmt.Sprintf(", %d calls repeated", r.Flakes)
	}
	rt.Logf("%s in %s", summary, time.Duration(r.Seconds*float64(time.Second)).Round(10*time.Millisecond))
	if r.Failed == 0 {
		return nil
	}
	err := fmt.Errorf("%d of %d checks failed, the first at stage %s", r.Failed, r.Failed+r.Passed+r.Skipped, r.Outcome)
	for _, c := range r.Checks {
		switch c.Outcome {
		case report.HTTP, report.Schema, report.Value, report.SLO:
			return step.Failed(err)
		}
	}
	// Nothing wrong was answered; nothing was answered.
	return step.WithHint(step.Infra(err), hintFor(r))
}

// setResults sets every result; those that were not measured are empty.
func setResults(rt *step.Runtime, r *report.Report) {
	rt.Results.Set("outcome", string(r.Outcome))
	rt.Results.Set("passed", strconv.Itoa(r.Passed))
	rt.Results.Set("failed", strconv.Itoa(r.Failed))
	accuracy, p95 := "", ""
	if r.Accuracy != nil {
		accuracy = strconv.FormatFloat(*r.Accuracy, 'g', 6, 64)
	}
	if r.P95 != nil {
		p95 = strconv.FormatFloat(*r.P95, 'f', 3, 64)
	}
	rt.Results.Set("accuracy", accuracy)
	rt.Results.Set("p95-ms", p95)
	rt.Results.Set("digest", r.Digest)
}

func lintCommand() *step.Command {
	return &step.Command{
		Name:    "lint",
		Short:   "say what is wrong in files of checks, without any network",
		Args:    "FILE...",
		Example: "seldon-predict lint integration/predictions.yaml",
		Run: func(_ context.Context, rt *step.Runtime) error {
			if len(rt.Args) == 0 {
				return step.Invalidf("which file? give one or more files of checks")
			}
			problems := 0
			for _, path := range rt.Args {
				file, err := checks.Read(path)
				if wrong, ok := errors.AsType[checks.Problems](err); ok {
					problems += len(wrong)
					fmt.Fprintln(rt.Stdout, wrong.Error())
					continue
				} else if err != nil {
					return step.Invalid(err)
				}
				rt.Logf("%s: %d checks, nothing wrong, %s", path, len(file.Checks), file.Digest)
			}
			if problems > 0 {
				return step.Invalidf("%d problems", problems)
			}
			return nil
		},
	}
}
