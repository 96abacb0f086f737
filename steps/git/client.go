// Package git runs git, isolated from the machine that it runs on: a home of
// its own, no system or user configuration, no hooks, no prompts. Credentials
// reach it through its environment only and never an argument, a URL, a
// configuration file or what is printed.
package git

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"time"

	"github.com/model-delivery/model-delivery/steps/step"
)

// maxOutput bounds, in bytes, what is kept of one command's output.
const maxOutput = 64 << 20

// Options say how git is run.
type Options struct {
	Auth Auth
	// AllowFile lets repositories be paths of this machine.
	AllowFile bool
	// Offline lets no repository be reached, for a clone whose configuration may
	// have been written by others.
	Offline bool
	// UntrustedTree is for work trees that nothing may be executed or followed
	// from: symbolic links are not made, filters not run.
	UntrustedTree bool
	Author        Identity
	Signing       Signing
	Redact        *step.Redactor
	Env           []string // NAME=value, for proxies and the like
	// Trace is told each command before it runs; may be nil.
	Trace func(command string)
}

// Identity is who commits.
type Identity struct{ Name, Email string }

// Client runs git. Close removes what it keeps on disk.
type Client struct {
	options Options
	home    string
	env     []string
	config  []string
	// What signs: git itself, or this key; neither: nothing is signed.
	gitSigns bool
	pgp      *pgpKey
}

// New returns a client for one remote repository, whose credentials are used
// for that host alone.
func New(remote string, options Options) (*Client, error) {
	if err := CheckRemote(remote, options.AllowFile); err != nil {
		return nil, err
	}
	home, err := os.MkdirTemp("", "git-home-")
	if err != nil {
		return nil, step.Infraf("making a home for git: %w", err)
	}
	c := &Client{options: options, home: home}
	c.env = []string{
		"PATH=" + os.Getenv("PATH"), "HOME=" + home, "XDG_CONFIG_HOME=" + home, "LC_ALL=C", "TZ=UTC",
		"GIT_CONFIG_NOSYSTEM=1", "GIT_CONFIG_GLOBAL=" + os.DevNull, "GIT_ATTR_NOSYSTEM=1",
		"GIT_TERMINAL_PROMPT=0", "GIT_LFS_SKIP_SMUDGE=1", "GIT_ADVICE=0",
	}
	protocols := "https:http:ssh"
	if options.AllowFile {
		protocols += ":file"
	}
	if options.Offline {
		protocols = "none"
		c.env = append(c.env, "GIT_NO_LAZY_FETCH=1")
	}
	c.env = append(c.env, "GIT_ALLOW_PROTOCOL="+protocols)
	c.env = append(c.env, options.Env...)
	if id := options.Author; id.Name != "" {
		c.env = append(c.env, "GIT_AUTHOR_NAME="+id.Name, "GIT_AUTHOR_EMAIL="+id.Email, "GIT_COMMITTER_NAME="+id.Name, "GIT_COMMITTER_EMAIL="+id.Email)
	}
	c.set("core.hooksPath", os.DevNull)
	c.set("safe.directory", "*")
	c.set("http.followRedirects", "false")
	c.set("http.lowSpeedLimit", "100")
	c.set("http.lowSpeedTime", "60")
	c.set("submodule.recurse", "false")
	c.set("gc.auto", "0")
	c.set("maintenance.auto", "false")
	c.set("init.defaultBranch", "main")
	c.set("advice.detachedHead", "false")
	c.set("advice.pushUpdateRejected", "false")
	c.set("protocol.version", "2")
	if options.UntrustedTree {
		c.set("core.symlinks", "false")
		c.set("core.protectHFS", "true")
		c.set("core.protectNTFS", "true")
		c.set("core.autocrlf", "false")
		c.set("core.attributesFile", os.DevNull)
		c.set("core.fsmonitor", "false")
	}
	if err := errors.Join(options.Auth.apply(c, remote), options.Signing.apply(c)); err != nil {
		return nil, errors.Join(err, c.Close())
	}
	c.env = append(c.env, fmt.Sprintf("GIT_CONFIG_COUNT=%d", len(c.config)/2))
	for i := 0; i < len(c.config); i += 2 {
		c.env = append(c.env, fmt.Sprintf("GIT_CONFIG_KEY_%d=%s", i/2, c.config[i]), fmt.Sprintf("GIT_CONFIG_VALUE_%d=%s", i/2, c.config[i+1]))
	}
	return c, nil
}

// set adds a setting that git reads from its environment, above all files.
func (c *Client) set(key, value string) { c.config = append(c.config, key, value) }

// Close removes git's home and what was put there.
func (c *Client) Close() error {
	if err := os.RemoveAll(c.home); err != nil {
		return step.Infraf("removing git's home: %w", err)
	}
	return nil
}

// Error is a git command that failed.
type Error struct {
	Command  string // "git push"
	ExitCode int    // -1 when it did not run to its end
	Stdout   string // of a push, which says there what became of each branch
	Stderr   string // redacted, without control characters, at most 4 KiB of its end
	err      error
	// withPassword tells that a password or a token was given.
	withPassword bool
}

func (e *Error) Error() string {
	text := strings.TrimSpace(e.Stdout + "\n" + e.Stderr)
	if text == "" {
		text = e.err.Error()
	}
	return e.Command + ": " + text
}

func (e *Error) Unwrap() error { return e.err }

// Run runs git in dir and returns its standard output.
func (c *Client) Run(ctx context.Context, dir string, args ...string) (string, error) {
	return c.RunInput(ctx, dir, nil, args...)
}

// RunInput is Run with something on standard input.
func (c *Client) RunInput(ctx context.Context, dir string, input []byte, args ...string) (string, error) {
	if c.options.Trace != nil {
		c.options.Trace("git " + strings.Join(args, " "))
	}
	cmd := exec.CommandContext(ctx, "git", args...)
	cmd.Dir, cmd.Env = dir, c.env
	if input != nil {
		cmd.Stdin = bytes.NewReader(input)
	}
	var stdout, stderr limited
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGTERM) }
	cmd.WaitDelay = 3 * time.Second
	err := cmd.Run()
	if err == nil && stdout.cut {
		err = fmt.Errorf("more than %d bytes of output", maxOutput)
	}
	if err != nil {
		if ctx.Err() != nil {
			err = context.Cause(ctx)
		}
		name := "git"
		for _, arg := range args {
			if !strings.HasPrefix(arg, "-") {
				name += " " + arg
				break
			}
		}
		failure := &Error{Command: name, ExitCode: -1, Stderr: c.clean(stderr.String()), err: err, withPassword: c.options.Auth.Password != ""}
		if name == "git push" {
			failure.Stdout = c.clean(stdout.String())
		}
		if exit, ok := errors.AsType[*exec.ExitError](err); ok {
			failure.ExitCode = exit.ExitCode()
		}
		if errors.Is(err, exec.ErrNotFound) {
			return "", step.WithHint(step.Infra(failure), "use an image that has git on its PATH")
		}
		return stdout.String(), step.Infra(failure)
	}
	return stdout.String(), nil
}

// clean makes what a remote says fit to print.
func (c *Client) clean(text string) string {
	text = strings.Map(func(r rune) rune {
		if r == '\n' || r == '\t' || r >= ' ' && r != 0x7f {
			return r
		}
		return -1
	}, strings.ToValidUTF8(text, "?"))
	if len(text) > 4096 {
		text = "…" + text[len(text)-4096:]
	}
	if c.options.Redact != nil {
		text = c.options.Redact.String(text)
	}
	return text
}

// limited keeps the first maxOutput bytes written to it.
type limited struct {
	bytes.Buffer
	cut bool
}

func (l *limited) Write(p []byte) (int, error) {
	if room := maxOutput - l.Len(); len(p) > room {
		l.cut = true
		l.Buffer.Write(p[:room])
		return len(p), nil
	}
	return l.Buffer.Write(p)
}
