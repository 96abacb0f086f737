package predict

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"strconv"
	"time"

	"github.com/spf13/pflag"

	"github.com/model-delivery/model-delivery/steps/predict/checks"
	"github.com/model-delivery/model-delivery/steps/predict/report"
	"github.com/model-delivery/model-delivery/steps/step"
)

// Command is the seldon-predict binary.
func Command() *step.Command {
	run := runCommand("seldon-predict")
	run.Short = "check the predictions of a deployed model against a file of checks"
	again := runCommand("run")
	run.Subcommands = []*step.Command{again, lintCommand()}
	return run
}

func runCommand(name string) *step.Command {
	access, flags := &accessFlags{}, &runFlags{}
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
		},
		Run: func(ctx context.Context, rt *step.Runtime) error { return runChecks(ctx, rt, access, flags) },
	}
}

func runChecks(ctx context.Context, rt *step.Runtime, access *accessFlags, flags *runFlags) error {
	if flags.checks == "" {
		return step.Invalidf("--checks is needed: the file of checks to run")
	}
	file, err := checks.Read(flags.checks)
	if err != nil {
		return step.Invalid(err)
	}
	rt.Results.Set("digest", file.Digest)
	o := Options{File: file, ReadyTimeout: flags.readyTimeout, Retries: flags.retries, Concurrency: flags.concurrency, Secrets: rt.Redact.String, Log: rt.Logf}
	if flags.only != "" {
		if o.Only, err = regexp.Compile(flags.only); err != nil {
			return step.Invalidf("--only: %w", err)
		}
	}
	client, err := access.options(rt.Redact.Add)
	if err != nil {
		return err
	}
	if access.endpoint == "" {
		return step.WithHint(step.Invalidf("--endpoint is needed: where the model is"), "for a model on this machine: --endpoint http://127.0.0.1:9000")
	}
	o.Targets = []Target{{Options: client, GRPCEndpoint: access.grpcEndpoint}}
	ctx, cancel := context.WithTimeoutCause(ctx, flags.timeout, fmt.Errorf("--timeout of %s is over", flags.timeout))
	defer cancel()
	rt.Logf("checking %s with %d checks of %s", client.Target.Endpoint, len(file.Checks), file.Path)
	done, err := Run(ctx, o)
	if done == nil {
		if _, ok := errors.AsType[*InputError](err); ok {
			return step.Invalid(err)
		}
		return step.Infra(err)
	}
	return conclude(rt, done, flags.reportDir)
}

// conclude writes results and reports, and turns failed checks into an error.
func conclude(rt *step.Runtime, r *report.Report, dir string) error {
	for i := range r.Checks {
		printCheck(rt, &r.Checks[i])
	}
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
	if dir != "" {
		if err := r.Write(dir, rt.Redact.String); err != nil {
			return step.Infra(err)
		}
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
	return step.WithHint(step.Infra(err), "is the endpoint right and the model up? --ready-timeout is how long it is waited for")
}

// printCheck prints one check: a line when it passed, all that is known when
// it did not.
func printCheck(rt *step.Runtime, c *report.Check) {
	name := c.Name
	if c.Target != "" {
		name += " (" + c.Target + ")"
	}
	mark := "FAIL"
	switch c.Outcome {
	case report.Passed:
		mark = "ok  "
	case report.Skipped:
		mark = "skip"
	}
	line := mark + " " + name
	if c.Summary != "" {
		line += ": " + c.Summary
	}
	fmt.Fprintln(rt.Stdout, line)
	for _, f := range c.Findings {
		fmt.Fprintf(rt.Stdout, "     %s: %s\n", f.Stage, f.Message)
	}
	for _, why := range c.Flakes {
		fmt.Fprintf(rt.Stdout, "     repeated after: %s\n", why)
	}
	if c.Replay != "" {
		fmt.Fprintf(rt.Stdout, "     replay: %s\n", c.Replay)
	}
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
