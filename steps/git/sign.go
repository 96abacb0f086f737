package git

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"github.com/model-delivery/model-delivery/steps/step"
)

// Signing is the key that commits are signed with. The zero value signs nothing.
type Signing struct {
	Key            string // file with a private key, GPG's (armored) or SSH's
	PassphraseFile string // for a GPG key that has one
}

// apply gives the key to git: in git's own home, where nobody else reads it.
func (s Signing) apply(c *Client) error {
	if s.Key == "" {
		return nil
	}
	data, err := os.ReadFile(s.Key)
	if err != nil {
		return step.Invalidf("reading the signing key: %w", err)
	}
	switch text := string(data); {
	case strings.Contains(text, "BEGIN PGP PRIVATE KEY BLOCK"):
		return s.gpg(c, data)
	case strings.Contains(text, "PRIVATE KEY-----"):
		key := filepath.Join(c.home, "signing-key")
		if err := os.WriteFile(key, data, 0o600); err != nil {
			return step.Infraf("writing the signing key: %w", err)
		}
		c.set("gpg.format", "ssh")
		c.set("user.signingKey", key)
		return nil
	}
	return step.WithHint(step.Invalid(errors.New("the signing key is neither a GPG nor an SSH private key")),
		"export one with `gpg --armor --export-secret-keys ID` or make one with `ssh-keygen -t ed25519`")
}

// gpg imports the key into a key ring of git's own.
func (s Signing) gpg(c *Client, key []byte) error {
	ring := filepath.Join(c.home, "gnupg")
	if err := os.Mkdir(ring, 0o700); err != nil {
		return step.Infraf("making a key ring: %w", err)
	}
	conf := "batch\nno-tty\n"
	if s.PassphraseFile != "" {
		passphrase, err := secret(s.PassphraseFile)
		if err != nil {
			return err
		}
		if c.options.Redact != nil {
			c.options.Redact.Add(passphrase)
		}
		file := filepath.Join(ring, "passphrase")
		if err := os.WriteFile(file, []byte(passphrase), 0o600); err != nil {
			return step.Infraf("writing the passphrase: %w", err)
		}
		conf += "pinentry-mode loopback\npassphrase-file " + file + "\n"
	}
	if err := os.WriteFile(filepath.Join(ring, "gpg.conf"), []byte(conf), 0o600); err != nil {
		return step.Infraf("writing gpg.conf: %w", err)
	}
	c.env = append(c.env, "GNUPGHOME="+ring)
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	run := func(input []byte, args ...string) (string, error) {
		cmd := exec.CommandContext(ctx, "gpg", args...)
		cmd.Env, cmd.Stdin = c.env, strings.NewReader(string(input))
		var stderr strings.Builder
		cmd.Stderr = &stderr
		out, err := cmd.Output()
		if errors.Is(err, exec.ErrNotFound) {
			return "", step.WithHint(step.Infraf("importing the signing key: %w", err), "use an image with gpg, or an SSH key")
		}
		if err != nil {
			return "", step.Invalidf("importing the signing key: gpg: %s", c.clean(stderr.String()))
		}
		return string(out), nil
	}
	c.stop = func() {
		// The agent that gpg started ends by itself only some time later.
		cmd := exec.Command("gpgconf", "--kill", "all")
		cmd.Env = c.env
		_ = cmd.Run()
	}
	if _, err := run(key, "--import"); err != nil {
		return err
	}
	out, err := run(nil, "--list-secret-keys", "--with-colons")
	if err != nil {
		return err
	}
	for line := range strings.Lines(out) {
		if fields := strings.Split(line, ":"); len(fields) > 9 && fields[0] == "fpr" {
			c.set("gpg.format", "openpgp")
			c.set("user.signingKey", fields[9])
			return nil
		}
	}
	return step.Invalid(errors.New("there is no secret key in the signing key's file"))
}
