package delivery

import (
	"bytes"
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// ModelsRepo is a clone of the forge's repository of models, as an ML engineer
// has it.
type ModelsRepo struct {
	Dir   string // work tree
	url   string
	user  string
	token string
}

// CloneModels clones the repository at url, without a credential in its
// configuration.
func CloneModels(ctx context.Context, dir, url, user, token string) (*ModelsRepo, error) {
	r := &ModelsRepo{Dir: dir, url: url, user: user, token: token}
	if _, err := r.git(ctx, "", "clone", "--quiet", url, dir); err != nil {
		return nil, err
	}
	return r, nil
}

// git runs git with the token in the environment only.
func (r *ModelsRepo) git(ctx context.Context, dir string, args ...string) (string, error) {
	cmd := exec.CommandContext(ctx, "git", args...)
	cmd.Dir = dir
	basic := base64.StdEncoding.EncodeToString([]byte(r.user + ":" + r.token))
	cmd.Env = append(os.Environ(),
		"GIT_TERMINAL_PROMPT=0", "GIT_CONFIG_NOSYSTEM=1", "GIT_CONFIG_GLOBAL="+os.DevNull,
		"GIT_AUTHOR_NAME=ML Engineer", "GIT_AUTHOR_EMAIL=engineer@example.com",
		"GIT_COMMITTER_NAME=ML Engineer", "GIT_COMMITTER_EMAIL=engineer@example.com",
		"GIT_CONFIG_COUNT=1", "GIT_CONFIG_KEY_0=http.extraHeader", "GIT_CONFIG_VALUE_0=Authorization: Basic "+basic)
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	if err := cmd.Run(); err != nil {
		return "", fmt.Errorf("git %s: %w: %s", args[0], err, strings.TrimSpace(stderr.String()))
	}
	return strings.TrimSpace(stdout.String()), nil
}

// CopyModel replaces models/NAME in the clone by the directory at source.
func (r *ModelsRepo) CopyModel(source, name string) error {
	target := filepath.Join(r.Dir, "models", name)
	if err := os.RemoveAll(target); err != nil {
		return fmt.Errorf("copying model %s: %w", name, err)
	}
	err := filepath.WalkDir(source, func(path string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if entry.IsDir() && ignored(entry.Name()) {
			return filepath.SkipDir
		}
		rel, err := filepath.Rel(source, path)
		if err != nil {
			return err
		}
		to := filepath.Join(target, rel)
		if entry.IsDir() {
			return os.MkdirAll(to, 0o755)
		}
		return copyFile(path, to)
	})
	if err != nil {
		return fmt.Errorf("copying model %s: %w", name, err)
	}
	return nil
}

// ignored tells what a local test run leaves behind.
func ignored(name string) bool {
	return name == "__pycache__" || name == ".pytest_cache" || name == "build"
}

func copyFile(from, to string) error {
	info, err := os.Stat(from)
	if err != nil {
		return err
	}
	in, err := os.Open(from)
	if err != nil {
		return err
	}
	defer in.Close()
	out, err := os.OpenFile(to, os.O_CREATE|os.O_WRONLY|os.O_TRUNC, info.Mode().Perm())
	if err != nil {
		return err
	}
	_, err = io.Copy(out, in)
	return errors.Join(err, out.Close())
}

// Edit rewrites a file of the clone.
func (r *ModelsRepo) Edit(path string, change func(string) string) error {
	full := filepath.Join(r.Dir, path)
	data, err := os.ReadFile(full)
	if err != nil {
		return fmt.Errorf("editing %s: %w", path, err)
	}
	after := change(string(data))
	if after == string(data) {
		return fmt.Errorf("editing %s: nothing changed", path)
	}
	if err := os.WriteFile(full, []byte(after), 0o644); err != nil {
		return fmt.Errorf("editing %s: %w", path, err)
	}
	return nil
}

// Push commits everything in the clone and pushes it to branch. It returns the
// commit.
func (r *ModelsRepo) Push(ctx context.Context, branch, message string) (string, error) {
	for _, args := range [][]string{
		{"add", "--all"},
		{"commit", "--quiet", "--message", message},
		{"push", "--quiet", "origin", "HEAD:refs/heads/" + branch},
	} {
		if _, err := r.git(ctx, r.Dir, args...); err != nil {
			return "", err
		}
	}
	return r.git(ctx, r.Dir, "rev-parse", "HEAD")
}
