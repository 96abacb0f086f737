package gitops

import (
	"context"
	"fmt"
	"strconv"
	"strings"

	"github.com/spf13/pflag"

	"github.com/model-delivery/model-delivery/steps/git"
	"github.com/model-delivery/model-delivery/steps/gitops/evidence"
	"github.com/model-delivery/model-delivery/steps/gitops/pin"
	"github.com/model-delivery/model-delivery/steps/gitops/release"
	"github.com/model-delivery/model-delivery/steps/gitops/source"
	"github.com/model-delivery/model-delivery/steps/step"
)

// promoteFlags are the flags of gitops-promote.
type promoteFlags struct {
	Landing
	source, namespace              string
	overlays, images               []string
	kinds, charts                  []string
	sourceRepository, sourceCommit string
	sourceDir                      string
	version, chart, tag            string
}

// PromoteCommand is the step gitops-promote.
func PromoteCommand() *step.Command {
	var f promoteFlags
	return &step.Command{
		Name:  "gitops-promote",
		Short: "bring a model to an environment by changing its GitOps repository",
		Long: `The environment's directory becomes the source, with images pinned by digest; everything else stays as it is. Lands as a commit on the
branch, or as the one pull request for this model and environment. Nothing to change is nothing done.

Results: changed, commit, branch, pull-request-url, pull-request-number, chart, promotion-ARTIFACT_OUTPUTS.`,
		Example: `gitops-promote --repository https://example.com/ml/gitops.git --environment staging --model news-classifier \
  --source models/news_classifier/charts --image classifier=registry/news@sha256:… --strategy push`,
		Flags: func(fs *pflag.FlagSet) {
			f.Register(fs)
			fs.StringVar(&f.source, "source", "", "directory with the model's manifests")
			fs.StringSliceVar(&f.overlays, "overlay", nil, "directory whose files are laid over the source's; {environment} and {model} are filled in; repeat for more")
			fs.StringSliceVar(&f.images, "image", nil, "image to pin: CONTAINER=IMAGE@sha256:DIGEST, the image alone, or values.yaml:KEY.KEY=IMAGE@…; repeat for more")
			fs.StringVar(&f.sourceRepository, "source-repository", "", "URL of the models repository, for the trailer Source-Repository")
			fs.StringVar(&f.sourceCommit, "source-commit", "", "commit of the models repository that is promoted, for the trailer Source-Commit")
			fs.StringVar(&f.sourceDir, "source-dir", "", "clone of the models repository, to tell in the pull request and the tag what is new since the promotion before; empty: that is not told")
			fs.StringVar(&f.version, "model-version", "", "version of the model, MAJOR.MINOR.PATCH: of the chart in the source, of what names that chart, and for the trailer Version")
			fs.StringVar(&f.chart, "chart", "", "where the source's Helm chart is released to with that version, oci://REGISTRY/PATH; empty: nowhere")
			fs.StringVar(&f.tag, "tag", "", "annotated tag of the promoted commit, {model}-{version} for instance, with strategy push; empty: none")
			fs.StringSliceVar(&f.kinds, "allow-kind", source.DefaultKinds(), "kinds of objects that may be promoted, Kind.group or Kind")
			fs.StringSliceVar(&f.charts, "allow-chart-repository", nil, "prefixes of repositories that a Helm chart may take its dependencies from")
			fs.StringVar(&f.namespace, "namespace", "", "the only namespace that objects may name (default: any)")
		},
		Run: func(ctx context.Context, rt *step.Runtime) error { return f.run(ctx, rt) },
	}
}

func (f *promoteFlags) run(ctx context.Context, rt *step.Runtime) error {
	if err := f.check(); err != nil {
		return err
	}
	p, err := f.promotion(ctx, rt)
	if err != nil {
		return err
	}
	chart, err := f.releaseChart(ctx, p)
	rt.Results.Set("chart", chart)
	if err != nil {
		return err
	}
	outcome, err := Promote(ctx, p)
	// What was done before something failed is told, too.
	SetResults(rt, f.Repository, outcome)
	return err
}

// SetResults hands the outcome on.
func SetResults(rt *step.Runtime, repository string, outcome Outcome) {
	url, number := "", ""
	if pull := outcome.PullRequest; pull != nil {
		url, number = pull.URL, strconv.FormatInt(pull.Number, 10)
	}
	rt.Results.Set("changed", strconv.FormatBool(outcome.Changed))
	rt.Results.Set("commit", outcome.Commit)
	rt.Results.Set("branch", outcome.Branch)
	rt.Results.Set("pull-request-url", url)
	rt.Results.Set("pull-request-number", number)
	// What Tekton Chains takes for an artifact that was made: the commit.
	artifact := map[string]string{"uri": "", "digest": ""}
	if outcome.Commit != "" {
		artifact = map[string]string{"uri": "git+" + repository, "digest": digestOf(outcome.Commit)}
	}
	rt.Results.SetObject("promotion-ARTIFACT_OUTPUTS", artifact)
	if outcome.Diff != "" {
		fmt.Fprintln(rt.Stderr, outcome.Diff)
	}
}

func digestOf(commit string) string {
	if len(commit) == 64 {
		return "sha256:" + commit
	}
	return "sha1:" + commit
}

// promotion is what the flags ask for; nothing has been touched yet.
func (f *promoteFlags) promotion(ctx context.Context, rt *step.Runtime) (Promotion, error) {
	if f.source == "" {
		return Promotion{}, step.Invalidf("--source is not given")
	}
	if err := f.checkOrigin(); err != nil {
		return Promotion{}, err
	}
	e, err := f.told(rt.Redact)
	if err != nil {
		return Promotion{}, err
	}
	e.SourceRepository, e.SourceCommit, e.Version = f.sourceRepository, f.sourceCommit, f.version
	files, err := f.files(&e)
	if err != nil {
		return Promotion{}, err
	}
	p, err := f.Landing.promotion(ctx, rt, e)
	p.Files = files
	if f.tag != "" {
		p.Tag = strings.NewReplacer("{environment}", f.Environment, "{model}", f.Model, "{version}", f.version).Replace(f.tag)
	}
	if f.sourceDir != "" {
		p.Changelog = func(ctx context.Context, since string) ([]string, error) {
			return release.Changelog(ctx, f.sourceDir, f.source, since, f.sourceCommit)
		}
	}
	return p, err
}

// releaseChart gives the chart out, before anything names its version.
func (f *promoteFlags) releaseChart(ctx context.Context, p Promotion) (string, error) {
	if f.chart == "" {
		return "", nil
	}
	chart, err := release.Find(p.Files)
	if err != nil {
		return "", err
	}
	if p.DryRun {
		p.Logf("chart %s %s would be released to %s", chart.Metadata.Name, chart.Metadata.Version, f.chart)
		return "", nil
	}
	reference, err := release.Push(ctx, chart, f.chart)
	if err == nil {
		p.Logf("released chart %s", reference)
	}
	return reference, err
}

// checkOrigin refuses what would end up in commit messages as it is.
func (f *promoteFlags) checkOrigin() error {
	if f.sourceRepository != "" {
		if err := git.CheckRemote(f.sourceRepository, true); err != nil {
			return fmt.Errorf("--source-repository: %w", err)
		}
	}
	if f.chart != "" && f.version == "" {
		return step.Invalidf("--chart is given and --model-version is not")
	}
	if f.tag != "" && Strategy(f.Strategy) != Push {
		return step.Invalidf("--tag is for --strategy push: a pull request is no version yet")
	}
	if f.sourceCommit != "" {
		if err := git.CheckRef(f.sourceCommit); err != nil {
			return fmt.Errorf("--source-commit: %w", err)
		}
	}
	return nil
}

// files are the source's, with overlays laid over them and images pinned.
func (f *promoteFlags) files(e *evidence.Promotion) ([]source.File, error) {
	var overlays []string
	for _, overlay := range named(f.overlays) {
		overlays = append(overlays, f.fill(overlay))
	}
	files, err := source.Load(f.source, overlays, source.Rules{Kinds: named(f.kinds), Namespace: f.namespace, Charts: named(f.charts)})
	if err != nil {
		return nil, err
	}
	if f.version != "" {
		name := ""
		if f.chart != "" {
			chart, err := release.Find(files)
			if err != nil {
				return nil, err
			}
			name = chart.Metadata.Name
		}
		if files, err = pin.Version(files, name, f.version); err != nil {
			return nil, err
		}
	}
	var pins []pin.Pin
	for _, text := range named(f.images) {
		p, err := pin.Parse(text)
		if err != nil {
			return nil, err
		}
		pins = append(pins, p)
		e.Images = append(e.Images, p.Image.String())
	}
	return pin.Apply(files, pins)
}
