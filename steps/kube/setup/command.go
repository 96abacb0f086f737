package setup

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/pflag"

	"github.com/model-delivery/model-delivery/steps/kube"
	"github.com/model-delivery/model-delivery/steps/step"
)

// flags of cluster-setup.
type flags struct {
	files, profiles, fallback []string
	registry                  string
	kubeconfig, context       string
	timeout                   time.Duration
	force, dryRun, network    bool
}

// Command is the step cluster-setup.
func Command() *step.Command {
	var f flags
	return &step.Command{
		Name:  "cluster-setup",
		Short: "Install what a setup file lists in a cluster, and wait until all of it is ready",
		Long: "A setup file lists Helm charts, kustomizations and manifests. Each entry is applied as soon as those it\n" +
			"needs are ready, entries that do not need one another side by side. When something does not become ready,\n" +
			"the error says which object, and why: its events, the state of its pods, their last log lines.\n\n" +
			"Results: installed, entry-seconds, seconds; with --dry-run instead images, those that the pods will want.",
		Example: "cluster-setup --file setup.yaml --kubeconfig kind.kubeconfig\n" +
			"cluster-setup --profile seldon-core --profile ambassador",
		Flags: func(fs *pflag.FlagSet) {
			fs.StringArrayVar(&f.files, "file", nil, "setup file; may be given several times")
			fs.StringArrayVar(&f.profiles, "profile", nil, "profile to install beside what the files list: "+strings.Join(Profiles(), ", ")+"; may be given several times")
			fs.StringArrayVar(&f.fallback, "fallback-profile", nil, "profile to install when none of the files exists; may be given several times")
			fs.StringVar(&f.registry, "chart-registry", "", "take the profiles' charts from here instead of where they are published, such as oci://registry.example.org/charts")
			fs.StringVar(&f.kubeconfig, "kubeconfig", "", "kubeconfig of the cluster; empty: $KUBECONFIG, ~/.kube/config or the pod's service account")
			fs.StringVar(&f.context, "context", "", "context of the kubeconfig; empty: its current one")
			fs.DurationVar(&f.timeout, "timeout", DefaultTimeout, "limit for all of it")
			fs.BoolVar(&f.force, "force-conflicts", false, "take over fields that somebody else owns in objects that are there already")
			fs.BoolVar(&f.network, "await-network", false, "apply what makes pods once a node is Ready and kube-proxy runs, for a cluster that is still coming up")
			fs.BoolVar(&f.dryRun, "dry-run", false, "fetch and render everything, say what would be installed, and touch no cluster")
		},
		Run: func(ctx context.Context, rt *step.Runtime) error { return run(ctx, rt, f) },
	}
}

func run(ctx context.Context, rt *step.Runtime, f flags) error {
	start := time.Now()
	files, err := load(rt, f)
	if err != nil {
		return err
	}
	plan, err := NewPlan(files, f.registry)
	if err != nil {
		return err
	}
	if f.dryRun {
		previewed, err := Preview(ctx, plan, rt.Logf)
		for _, line := range previewed.Lines {
			fmt.Fprintln(rt.Stdout, line)
		}
		rt.Results.SetArray("images", previewed.Images)
		return err
	}
	client, err := kube.NewClient(kube.Options{Kubeconfig: f.kubeconfig, Context: f.context, UserAgent: "cluster-setup"})
	if err != nil {
		return err
	}
	options := Options{Client: client, Timeout: f.timeout, Force: f.force, Progress: rt.Logf}
	if f.network {
		options.BeforePods = func(ctx context.Context) error { return AwaitNetwork(ctx, client, rt.Logf) }
	}
	done, err := Install(ctx, plan, options)
	names := make([]string, 0, len(done))
	seconds := map[string]string{}
	for _, entry := range done {
		names = append(names, entry.Name)
		seconds[entry.Name] = fmt.Sprintf("%.1f", entry.Seconds)
	}
	entrySeconds, marshalErr := json.Marshal(seconds)
	rt.Results.SetArray("installed", names)
	rt.Results.Set("entry-seconds", string(entrySeconds))
	rt.Results.Set("seconds", fmt.Sprintf("%.1f", time.Since(start).Seconds()))
	if err != nil {
		return err
	}
	rt.Logf("%d entries ready after %.1fs", len(done), time.Since(start).Seconds())
	return marshalErr
}

// load reads the setup files, or puts a file together from profiles.
func load(rt *step.Runtime, f flags) ([]*File, error) {
	var files []*File
	for _, name := range f.files {
		file, err := LoadFile(name)
		if errors.Is(err, fs.ErrNotExist) && len(f.fallback) > 0 {
			rt.Logf("there is no %s", name)
			continue
		}
		if err != nil {
			return nil, err
		}
		files = append(files, file)
	}
	profiles := f.profiles
	if len(files) == 0 {
		profiles = append(profiles, f.fallback...)
	}
	if len(profiles) > 0 {
		file, err := ofProfiles(profiles)
		if err != nil {
			return nil, err
		}
		rt.Logf("installing profiles %s", strings.Join(profiles, ", "))
		files = append(files, file)
	}
	if len(files) == 0 {
		return nil, step.WithHint(step.Invalidf("nothing to install: neither --file nor --profile is given"),
			"profiles are "+strings.Join(Profiles(), ", "))
	}
	return files, nil
}

// ofProfiles is a setup file that lists profiles and nothing else.
func ofProfiles(names []string) (*File, error) {
	file := &File{APIVersion: APIVersion, Kind: Kind}
	for _, name := range names {
		entry := Entry{Profile: name, where: "--profile", root: "."}
		if problems := entry.check(); len(problems) > 0 {
			return nil, step.Invalid(errors.Join(problems...))
		}
		file.Install = append(file.Install, entry)
	}
	return file, nil
}

// LoadFile reads a setup file. Its paths are relative to its directory and may
// lead anywhere below the working directory when the file lies there, such as
// in a checkout; below the file's own directory when not.
func LoadFile(name string) (*File, error) {
	info, err := os.Stat(name)
	switch {
	case err != nil:
		return nil, step.Invalidf("setup file: %w", err)
	case !info.Mode().IsRegular():
		return nil, step.Invalidf("setup file %s: is no regular file", name)
	case info.Size() > maxFileBytes:
		return nil, step.Invalidf("setup file %s: larger than %d MiB", name, maxFileBytes>>20)
	}
	data, err := os.ReadFile(name)
	if err != nil {
		return nil, step.Invalidf("setup file: %w", err)
	}
	file, err := Parse(data, name)
	if err != nil {
		return nil, err
	}
	root, dir, err := readable(name)
	if err != nil {
		return nil, step.Infraf("setup file %s: %w", name, err)
	}
	for i := range file.Install {
		file.Install[i].root, file.Install[i].dir = root, dir
	}
	return file, nil
}

// readable returns the directory below which a setup file may read, and the
// file's own directory below that.
func readable(name string) (root, dir string, err error) {
	own, err := filepath.Abs(filepath.Dir(name))
	if err != nil {
		return "", "", err
	}
	working, err := os.Getwd()
	if err != nil {
		return own, ".", nil
	}
	relative, err := filepath.Rel(working, own)
	if err != nil || relative == ".." || strings.HasPrefix(relative, ".."+string(filepath.Separator)) {
		return own, ".", nil
	}
	return working, relative, nil
}
