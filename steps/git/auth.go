package git

import (
	"encoding/base64"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"strings"

	"github.com/model-delivery/model-delivery/steps/step"
)

// Auth is how to prove who we are to one host. The zero value proves nothing.
type Auth struct {
	Username, Password string // HTTP basic; a token is a password
	SSHKey             string // path of a private key
	KnownHosts         string // path; without one no SSH host is trusted
	CAFile             string // path of certificates to trust besides the system's
	InsecureSkipVerify bool   // no check of the server's certificate
}

// AuthDirs are the directories in which the git-clone Task of the Tekton
// catalog takes credentials. Empty ones are not looked at.
type AuthDirs struct {
	BasicAuth string // .git-credentials and .gitconfig, or username and password
	SSH       string // private key, known_hosts, config
	CA        string // ca-bundle.crt
	CAFile    string // name in CA, ca-bundle.crt when empty
	TokenFile string // file with a token alone
	Username  string // for TokenFile, "git" when empty
}

// Load reads credentials for the host of remote. Every secret found is made
// known to redact.
func (d AuthDirs) Load(remote string, redact *step.Redactor) (Auth, error) {
	var auth Auth
	if d.TokenFile != "" {
		token, err := secret(d.TokenFile)
		if err != nil {
			return auth, err
		}
		auth.Username, auth.Password = d.Username, token
		if auth.Username == "" {
			auth.Username = "git"
		}
	}
	if d.BasicAuth != "" && auth.Password == "" {
		if err := d.basic(remote, &auth); err != nil {
			return auth, err
		}
	}
	if redact != nil {
		redact.Add(auth.Password)
		redact.Add(base64.StdEncoding.EncodeToString([]byte(auth.Username + ":" + auth.Password)))
	}
	if d.SSH != "" {
		key, err := findKey(d.SSH)
		if err != nil {
			return auth, err
		}
		auth.SSHKey = key
		if hosts := filepath.Join(d.SSH, "known_hosts"); exists(hosts) {
			auth.KnownHosts = hosts
		}
	}
	if d.CA != "" {
		name := d.CAFile
		if name == "" {
			name = "ca-bundle.crt"
		}
		auth.CAFile = filepath.Join(d.CA, name)
		if !exists(auth.CAFile) {
			return auth, step.Invalidf("there is no %s in the directory of certificates", name)
		}
	}
	return auth, nil
}

// basic reads .git-credentials (one URL a line), or username and password as
// in a secret of type kubernetes.io/basic-auth.
func (d AuthDirs) basic(remote string, auth *Auth) error {
	if file := filepath.Join(d.BasicAuth, ".git-credentials"); exists(file) {
		text, err := secret(file)
		if err != nil {
			return err
		}
		want, err := url.Parse(remote)
		if err != nil {
			return step.Invalidf("reading the repository's URL: %w", errors.New("it is not a URL"))
		}
		for line := range strings.Lines(text) {
			u, err := url.Parse(strings.TrimSpace(line))
			if err != nil || u.User == nil || u.Host != want.Host || u.Scheme != want.Scheme {
				continue
			}
			auth.Username = u.User.Username()
			auth.Password, _ = u.User.Password()
			return nil
		}
		return step.WithHint(step.Invalidf(".git-credentials has no line for %s://%s", want.Scheme, want.Host), "a line is https://USER:PASSWORD@HOST")
	}
	if !exists(filepath.Join(d.BasicAuth, "password")) {
		return step.WithHint(step.Invalidf("the basic-auth directory has neither .git-credentials nor password"),
			"mount a secret with .git-credentials and .gitconfig, or one of type kubernetes.io/basic-auth")
	}
	var err error
	if auth.Password, err = secret(filepath.Join(d.BasicAuth, "password")); err != nil {
		return err
	}
	auth.Username = "git"
	if file := filepath.Join(d.BasicAuth, "username"); exists(file) {
		auth.Username, err = secret(file)
	}
	return err
}

func secret(path string) (string, error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return "", step.Invalidf("reading a credential: %w", err)
	}
	return strings.TrimSpace(string(data)), nil
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return !errors.Is(err, fs.ErrNotExist)
}

func findKey(dir string) (string, error) {
	for _, name := range []string{"ssh-privatekey", "id_ed25519", "id_ecdsa", "id_rsa"} {
		if path := filepath.Join(dir, name); exists(path) {
			return path, nil
		}
	}
	return "", step.WithHint(step.Invalidf("the SSH directory has no private key"), "call it ssh-privatekey, id_ed25519, id_ecdsa or id_rsa")
}

// apply gives the credentials to git: a header for the remote's own host and
// nowhere else, an SSH command with one key and known hosts.
func (a Auth) apply(c *Client, remote string) error {
	u, err := url.Parse(remote)
	if err == nil && a.Password != "" && (u.Scheme == "https" || u.Scheme == "http") {
		basic := base64.StdEncoding.EncodeToString([]byte(a.Username + ":" + a.Password))
		c.set("http."+u.Scheme+"://"+u.Host+"/.extraHeader", "Authorization: Basic "+basic)
	}
	if a.CAFile != "" {
		c.set("http.sslCAInfo", a.CAFile)
	}
	if a.InsecureSkipVerify {
		c.set("http.sslVerify", "false")
	}
	if a.SSHKey == "" {
		return nil
	}
	// ssh refuses a key that others can read, as secrets are mounted.
	key := filepath.Join(c.home, "key")
	data, err := os.ReadFile(a.SSHKey)
	if err != nil {
		return step.Invalidf("reading the SSH key: %w", err)
	}
	if err := os.WriteFile(key, data, 0o600); err != nil {
		return step.Infraf("writing the SSH key: %w", err)
	}
	hosts := a.KnownHosts
	if hosts == "" {
		hosts = os.DevNull
	}
	c.env = append(c.env, fmt.Sprintf("GIT_SSH_COMMAND=ssh -F none -i '%s' -o IdentitiesOnly=yes -o BatchMode=yes -o StrictHostKeyChecking=yes -o UserKnownHostsFile='%s' -o GlobalKnownHostsFile=%s", key, hosts, os.DevNull))
	return nil
}
