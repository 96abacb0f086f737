package checkout

import (
	"context"
	"path/filepath"
	"strings"

	"github.com/spf13/pflag"

	"github.com/model-delivery/model-delivery/steps/git"
	"github.com/model-delivery/model-delivery/steps/step"
)

// flags are the parameters of the catalog's git-clone, in kebab-case.
type flags struct {
	url, revision, refspec         string
	outputDir, subdirectory        string
	depth                          int
	submodules, sslVerify          bool
	submodulePaths                 string
	deleteExisting, verbose        bool
	crtFileName, sparse            string
	httpProxy, httpsProxy, noProxy string
	basicAuthDir, sshDir, sslCADir string
	tokenFile, username            string
	allowFile                      bool
}

// Command is the step git-clone.
func Command() *step.Command {
	var f flags
	return &step.Command{
		Name:  "git-clone",
		Short: "check a git repository out into a workspace",
		Long: `Takes the parameters of the git-clone Task of the Tekton catalog and gives its results.

Results: commit, url, committer-date.`,
		Example: "git-clone --url https://example.com/ml/models.git --revision main --output-dir models",
		Flags: func(fs *pflag.FlagSet) {
			fs.StringVar(&f.url, "url", "", "repository to clone from")
			fs.StringVar(&f.revision, "revision", "", "branch, tag or commit to check out (default: the remote's default branch)")
			fs.StringVar(&f.refspec, "refspec", "", "refspec to fetch before the revision is checked out")
			fs.BoolVar(&f.submodules, "submodules", true, "initialize and fetch submodules")
			fs.StringVar(&f.submodulePaths, "submodule-paths", "", "submodules to fetch, by their paths, with commas between (default: all)")
			fs.IntVar(&f.depth, "depth", 1, "commits of history to fetch; 0 means all")
			fs.BoolVar(&f.sslVerify, "ssl-verify", true, "check the server's certificate")
			fs.StringVar(&f.crtFileName, "crt-file-name", "ca-bundle.crt", "file with certificates in --ssl-ca-dir")
			fs.StringVar(&f.outputDir, "output-dir", ".", "workspace to clone into")
			fs.StringVar(&f.subdirectory, "subdirectory", "", "directory in the workspace to clone into")
			fs.StringVar(&f.sparse, "sparse-checkout-directories", "", "directories to check out, with commas between (default: all)")
			fs.BoolVar(&f.deleteExisting, "delete-existing", true, "empty the directory first")
			fs.StringVar(&f.httpProxy, "http-proxy", "", "proxy for http")
			fs.StringVar(&f.httpsProxy, "https-proxy", "", "proxy for https")
			fs.StringVar(&f.noProxy, "no-proxy", "", "hosts to reach without a proxy")
			fs.BoolVar(&f.verbose, "verbose", true, "print the commands that are run")
			fs.StringVar(&f.basicAuthDir, "basic-auth-dir", "", "directory with .git-credentials, or with username and password")
			fs.StringVar(&f.sshDir, "ssh-dir", "", "directory with a private key and known_hosts")
			fs.StringVar(&f.sslCADir, "ssl-ca-dir", "", "directory with certificates to trust")
			fs.StringVar(&f.tokenFile, "token-file", "", "file with a token for the repository's host")
			fs.StringVar(&f.username, "username", "git", "user that the token belongs to, where the forge asks for one")
			fs.BoolVar(&f.allowFile, "allow-file", false, "let the repository be a path of this machine")
		},
		Run: func(ctx context.Context, rt *step.Runtime) error { return f.run(ctx, rt) },
	}
}

func (f flags) run(ctx context.Context, rt *step.Runtime) error {
	dirs := git.AuthDirs{BasicAuth: f.basicAuthDir, SSH: f.sshDir, CA: f.sslCADir, CAFile: f.crtFileName, TokenFile: f.tokenFile, Username: f.username}
	auth, err := dirs.Load(f.url, rt.Redact)
	if err != nil {
		return err
	}
	auth.InsecureSkipVerify = !f.sslVerify
	o := Options{
		URL: f.url, Revision: f.revision, Refspec: f.refspec, Depth: f.depth, Submodules: f.submodules,
		SubmodulePaths: list(f.submodulePaths), SparseDirectories: list(f.sparse),
		Root: f.outputDir, Dir: filepath.Join(f.outputDir, f.subdirectory), DeleteExisting: f.deleteExisting,
		Git:  git.Options{Auth: auth, AllowFile: f.allowFile, Redact: rt.Redact},
		Logf: rt.Logf,
	}
	for name, value := range map[string]string{"http_proxy": f.httpProxy, "https_proxy": f.httpsProxy, "no_proxy": f.noProxy} {
		if value != "" {
			o.Git.Env = append(o.Git.Env, name+"="+value)
		}
	}
	if f.verbose {
		o.Git.Trace = func(command string) { rt.Logf("+ %s", command) }
	}
	result, err := Run(ctx, o)
	if err != nil {
		return err
	}
	rt.Logf("checked out %s", result.Commit)
	rt.Results.Set("commit", result.Commit)
	rt.Results.Set("url", result.URL)
	rt.Results.Set("committer-date", result.CommitterDate)
	return nil
}

// list takes apart what has commas between.
func list(text string) []string {
	var parts []string
	for part := range strings.SplitSeq(text, ",") {
		if part = strings.TrimSpace(part); part != "" {
			parts = append(parts, part)
		}
	}
	return parts
}
