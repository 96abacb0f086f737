package integration

import (
	"cmp"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"
	"time"

	"github.com/model-delivery/model-delivery/steps/image"
	"github.com/model-delivery/model-delivery/steps/kind"
	"github.com/model-delivery/model-delivery/steps/model"
	"github.com/model-delivery/model-delivery/steps/step"
)

// Options says which model to prove and how. Paths in the model's directory are
// slash-separated.
type Options struct {
	RepositoryDir string // clone of the models repository
	ModelsDir     string // directory of the models in it
	Model         string // the model's directory name
	SourceCommit  string // commit that is tested; becomes part of the release

	Strategy  string // how the image is built; see package image
	Image     string // reference, in which {model} stands for the model's name
	BaseImage string // image to build on; empty: the model's choice
	Push      bool   // push the image when all is well

	Name       string // of the cluster; empty: one that nobody else has and that tells when it expires
	Owner      string // whose run it is, part of that name; empty: the model's
	KindConfig string // in the model's directory; used if it is there
	NodeImage  string
	Mirrors    []string // registry mirrors for the nodes; see kind-cluster
	CADir      string   // certificates for the nodes to trust; see kind-cluster
	Setup      []string // set-up files; empty: integration/setup.yaml of the model, if it is there
	Manifests  string   // in the model's directory
	Checks     string   // in the model's directory; used if it is there
	Namespace  string   // that the model is deployed to
	Gateway    string   // kind of gateway
	GatewayURL string   // where it answers, seen from here; {docker-host} stands for the daemon's machine
	// RouteTimeout is how long to wait for the gateway to lead to the model before
	// the tests begin all the same; 0: they begin at once.
	RouteTimeout time.Duration
	Targets      []string // of the model's Makefile: the tests

	DockerHost    string // empty: as the docker command line finds it
	DockerCerts   string // directory with certificates for a daemon that wants TLS; may be empty
	DockerCLIDir  string // directory with a docker executable, for images that have none; may be empty
	DockerLog     string // the daemon's log, kept with the others; may be empty
	DockerExit    string // file that is written when the daemon ends; may be empty
	DockerStop    string // made in the end to ask for the daemon\'s; may be empty
	DockerTimeout time.Duration
	DockerSidecar bool // a daemon at a unix socket ends after this step and takes the cluster with it, which is not removed before

	ReportDir   string // gets a directory of the model's name, with - for _, for logs and reports; empty: none are kept
	MaxLogBytes int64
	Keep        bool // leave the cluster
	Timeout     time.Duration
}

// expiryMargin is how long after its timeout a run may still be cleaning up.
const expiryMargin = 15 * time.Minute

// paths are the files of the model, absolute; empty where it has none.
type paths struct {
	dir, config, manifests, checks string
	setup                          []string
	kubeconfig, state, report      string
}

// resolve checks the options and finds the model's files.
func (o *Options) resolve() (p paths, err error) {
	if err := model.CheckName(o.Model); err != nil {
		return p, err
	}
	if !fs.ValidPath(o.ModelsDir) {
		return p, step.Invalidf("models directory %q is not a path inside the repository", o.ModelsDir)
	}
	models, err := filepath.Abs(filepath.Join(o.RepositoryDir, filepath.FromSlash(o.ModelsDir)))
	if err != nil {
		return p, step.Invalidf("models directory: %w", err)
	}
	name, err := model.Find(models, o.Model)
	if err != nil {
		return p, err
	}
	o.Model = name
	p.dir = filepath.Join(models, name)
	if o.Image, err = image.Reference(o.Image, name); err != nil {
		return p, err
	}
	if o.Name == "" {
		// The cluster of that name is removed in the end, or, if all of this is killed, by anyone once it has expired.
		o.Name = kind.ExpiringName(kind.DefaultPrefix, cmp.Or(o.Owner, name), time.Now().Add(o.Timeout+expiryMargin))
	}
	for _, file := range []struct {
		flag, path string
		target     *string
	}{
		{"kind-config", o.KindConfig, &p.config}, {"manifests", o.Manifests, &p.manifests}, {"checks", o.Checks, &p.checks},
	} {
		if *file.target, err = find(p.dir, file.path); err != nil {
			return p, step.Invalidf("--%s: %w", file.flag, err)
		}
	}
	for _, file := range o.Setup {
		if file, err = filepath.Abs(file); err != nil {
			return p, step.Invalidf("--setup: %w", err)
		}
		p.setup = append(p.setup, file)
	}
	if len(o.Setup) == 0 {
		file, err := find(p.dir, "integration/setup.yaml")
		if err != nil {
			return p, step.Invalid(err)
		}
		if file != "" {
			p.setup = []string{file}
		}
	}
	if o.ReportDir != "" {
		if p.report, err = filepath.Abs(filepath.Join(o.ReportDir, model.ReleaseName(name))); err != nil {
			return p, step.Invalidf("--report-dir: %w", err)
		}
		if err := os.MkdirAll(p.report, 0o755); err != nil {
			return p, step.Infraf("make the directory for reports: %w", err)
		}
	}
	if p.state, err = os.MkdirTemp("", "kind-integration-"); err != nil {
		return p, step.Infraf("make a directory for the kubeconfig: %w", err)
	}
	p.kubeconfig = filepath.Join(p.state, "kubeconfig")
	return p, nil
}

// find returns the absolute path of what is at the slash-separated path sub in
// dir, or "" when nothing is. It refuses to leave dir, by symbolic links too.
func find(dir, sub string) (string, error) {
	if sub == "" {
		return "", nil
	}
	if !fs.ValidPath(path.Clean(sub)) {
		return "", step.Invalidf("%q is not a path inside the model's directory", sub)
	}
	full := filepath.Join(dir, filepath.FromSlash(sub))
	resolved, err := filepath.EvalSymlinks(full)
	if os.IsNotExist(err) {
		return "", nil
	}
	if err != nil {
		return "", err
	}
	root, err := filepath.EvalSymlinks(dir)
	if err != nil {
		return "", err
	}
	if resolved != root && !strings.HasPrefix(resolved, root+string(filepath.Separator)) {
		return "", step.Invalidf("%q leads out of the model's directory", sub)
	}
	return full, nil
}
