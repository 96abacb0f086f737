package image

import (
	"bufio"
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"github.com/containerd/errdefs"
	"github.com/moby/moby/client"

	"github.com/model-delivery/model-delivery/steps/registry"
	"github.com/model-delivery/model-delivery/steps/step"
)

// Labels by which a source-to-image builder tells how it is used.
const (
	scriptsLabel      = "io.openshift.s2i.scripts-url"
	oldScriptsLabel   = "io.s2i.scripts-url"
	destinationLabel  = "io.openshift.s2i.destination"
	assembleUserLabel = "io.openshift.s2i.assemble-user"
	builtWithLabel    = "io.openshift.s2i.build.image"
)

// s2iBuilder is what a builder image says of itself.
type s2iBuilder struct {
	image        string
	scripts      string // directory of assemble and run in it
	destination  string // where the source goes, below src
	user         string // that assembles
	assembleOwn  bool   // the source brings its own assemble
	runOwn       bool   // the source brings its own run
	environment  []string
	secret       []string // further variables, whose values are not shown
	workingImage string   // by ID, so that it is the one that was looked at
}

// sourceToImage builds by the rules of source-to-image: the source is put into
// the builder image, whose script assemble makes the application of it, and
// whose script run starts it. The daemon does it, as it builds a Dockerfile;
// nothing else is needed.
func (o BuildOptions) sourceToImage(ctx context.Context, cli *client.Client) error {
	image := cmp.Or(o.Builder, o.BaseImage)
	if image == "" {
		return step.Invalidf("build %s: the strategy s2i needs a builder image", o.Tag)
	}
	builder, err := o.inspectBuilder(ctx, cli, image)
	if err != nil {
		return err
	}
	environment, err := readEnvironment(o.Dir)
	if err != nil {
		return err
	}
	builder.environment, builder.secret = environment, o.BuildArgs
	builder.assembleOwn, builder.runOwn = hasScript(o.Dir, "assemble"), hasScript(o.Dir, "run")
	dockerfile, err := builder.dockerfile()
	if err != nil {
		return err
	}
	shown := builder
	shown.secret = named(o.BuildArgs)
	text, err := shown.dockerfile()
	if err != nil {
		return err
	}
	fmt.Fprintf(o.Output, "source-to-image with %s\n%s", image, text)
	return o.daemonBuild(ctx, cli, buildContext{dir: o.Dir, ignore: ".s2iignore", prefix: "src/", generated: dockerfile}, nil, image)
}

// inspectBuilder looks at a builder image, which is pulled when the daemon
// does not have it.
func (o BuildOptions) inspectBuilder(ctx context.Context, cli *client.Client, image string) (s2iBuilder, error) {
	found, err := cli.ImageInspect(ctx, image)
	if errdefs.IsNotFound(err) {
		if err := o.pull(ctx, cli, image); err != nil {
			return s2iBuilder{}, err
		}
		found, err = cli.ImageInspect(ctx, image)
	}
	if err != nil {
		return s2iBuilder{}, step.Infraf("look at the builder image %s: %w", image, err)
	}
	if found.Config == nil {
		return s2iBuilder{}, step.Invalidf("builder image %s has no configuration", image)
	}
	labels := found.Config.Labels
	scripts, ok := strings.CutPrefix(cmp.Or(labels[scriptsLabel], labels[oldScriptsLabel]), "image://")
	if !ok {
		return s2iBuilder{}, step.WithHint(step.Invalidf("image %s is no source-to-image builder: its label %s names no directory in it", image, scriptsLabel),
			"take a builder such as seldonio/seldon-core-s2i-python3, or another strategy (make, dockerfile)")
	}
	return s2iBuilder{
		image: image, workingImage: found.ID, scripts: scripts, destination: cmp.Or(labels[destinationLabel], "/tmp"),
		user: cmp.Or(labels[assembleUserLabel], found.Config.User, "0"),
	}, nil
}

func (o BuildOptions) pull(ctx context.Context, cli *client.Client, image string) error {
	auth, err := registry.Encoded(image, o.Redact)
	if err != nil {
		return err
	}
	fmt.Fprintf(o.Output, "pulling %s\n", image)
	err = registry.Pull(ctx, cli, image, auth)
	if errdefs.IsNotFound(err) || errdefs.IsInvalidArgument(err) {
		return step.Invalidf("pull the builder image %s: %w", image, err)
	}
	if err != nil {
		return step.Infraf("pull the builder image %s: %w", image, err)
	}
	return nil
}

var (
	plainPath = regexp.MustCompile(`^/[A-Za-z0-9/._-]+$`)
	plainUser = regexp.MustCompile(`^[A-Za-z0-9._-]+(:[A-Za-z0-9._-]+)?$`)
	plainName = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]*$`)
)

// dockerfile writes the build as a Dockerfile. What comes from labels and from
// the source must not be able to add lines to it.
func (b s2iBuilder) dockerfile() ([]byte, error) {
	if !plainPath.MatchString(b.scripts) || !plainPath.MatchString(b.destination) || !plainUser.MatchString(b.user) {
		return nil, step.Invalidf("builder image %s: scripts in %q, source to %q, by user %q: not understood", b.image, b.scripts, b.destination, b.user)
	}
	source := path.Join(b.destination, "src")
	assemble, run := path.Join(b.scripts, "assemble"), path.Join(b.scripts, "run")
	if b.assembleOwn {
		assemble = path.Join(b.destination, "scripts", "assemble")
	}
	if b.runOwn {
		run = path.Join(b.destination, "scripts", "run")
	}
	owner, _, _ := strings.Cut(b.user, ":")
	var out bytes.Buffer
	fmt.Fprintf(&out, "FROM %s\nLABEL %s=%s\n", b.workingImage, builtWithLabel, quoted(b.image))
	for i, variable := range slices.Concat(b.environment, b.secret) {
		name, value, ok := strings.Cut(variable, "=")
		if !ok || !plainName.MatchString(name) || strings.ContainsAny(value, "\n\r\x00") {
			return nil, step.Invalidf("variable %d of the build, of .s2i/environment and then of build arguments, is not NAME=VALUE in one line", i+1)
		}
		fmt.Fprintf(&out, "ENV %s=%s\n", name, quoted(value))
	}
	fmt.Fprintf(&out, "COPY --chown=%s:0 src %s\n", owner, source)
	if b.assembleOwn || b.runOwn {
		fmt.Fprintf(&out, "COPY --chown=%s:0 src/.s2i/bin %s\n", owner, path.Join(b.destination, "scripts"))
	}
	fmt.Fprintf(&out, "USER %s\nRUN %s\nCMD [%q]\n", b.user, assemble, run)
	return out.Bytes(), nil
}

// quoted writes a value as a Dockerfile has it, with nothing to be expanded.
func quoted(value string) string {
	return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`, `$`, `\$`).Replace(value) + `"`
}

func hasScript(dir, name string) bool {
	info, err := os.Lstat(filepath.Join(dir, ".s2i", "bin", name))
	return err == nil && info.Mode().IsRegular()
}

// maxEnvironment bounds .s2i/environment, in bytes.
const maxEnvironment = 1 << 16

// readEnvironment reads the variables that a source sets for its build and for
// its running: .s2i/environment, NAME=VALUE a line.
func readEnvironment(dir string) ([]string, error) {
	root, err := os.OpenRoot(dir)
	if err != nil {
		return nil, step.Invalidf("read the source: %w", err)
	}
	defer root.Close()
	file, err := root.Open(".s2i/environment")
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, step.Invalidf("read .s2i/environment: %w", err)
	}
	defer file.Close()
	if info, err := file.Stat(); err != nil || !info.Mode().IsRegular() || info.Size() > maxEnvironment {
		return nil, step.Invalidf(".s2i/environment is not a file of at most %d bytes", maxEnvironment)
	}
	var variables []string
	scanner := bufio.NewScanner(file)
	for scanner.Scan() {
		line := strings.TrimSpace(scanner.Text())
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		if !strings.Contains(line, "=") {
			return nil, step.Invalidf(".s2i/environment: %q is not NAME=VALUE", line)
		}
		variables = append(variables, line)
	}
	if err := scanner.Err(); err != nil {
		return nil, step.Invalidf("read .s2i/environment: %w", err)
	}
	return variables, nil
}
