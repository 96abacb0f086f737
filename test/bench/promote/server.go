package main

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"os/exec"
	"path/filepath"
	"sync/atomic"

	"github.com/model-delivery/model-delivery/steps/git/gittest"
)

const filesOfAModel = 5

// manifest is a file of a model's version.
func manifest(model, version int) string {
	return fmt.Sprintf(`apiVersion: machinelearning.seldon.io/v1
kind: SeldonDeployment
metadata:
  name: model-%d
  labels: {version: "%d"}
spec:
  protocol: v2
  predictors:
  - name: default
    replicas: 2
    graph: {name: classifier, type: MODEL}
    componentSpecs:
    - spec:
        containers:
        - name: classifier
          image: registry.example.org/models/model-%d@sha256:%064x
          resources: {requests: {cpu: 100m, memory: 256Mi}, limits: {memory: 512Mi}}
`, model, version, model, uint64(version)*0x9e3779b97f4a7c15+uint64(model))
}

// server serves one repository and counts what goes over the wire.
type server struct {
	bare, url string
	bytes     atomic.Int64
	http      *http.Server
}

func (s *server) close() { _ = s.http.Close() }

// serve makes a repository and serves it.
func (b *bench) serve(ctx context.Context, name string, commits, files int) (*server, error) {
	s := &server{bare: filepath.Join(b.dir, name, "gitops.git")}
	for _, args := range [][]string{
		{"init", "--quiet", "--bare", "--initial-branch=main", s.bare},
		{"-C", s.bare, "config", "uploadpack.allowFilter", "true"},
		{"-C", s.bare, "config", "http.receivepack", "true"},
	} {
		if out, err := exec.CommandContext(ctx, "git", args...).CombinedOutput(); err != nil {
			return nil, fmt.Errorf("git %v: %w: %s", args, err, out)
		}
	}
	fill := exec.CommandContext(ctx, "git", "-C", s.bare, "fast-import", "--quiet")
	in, err := fill.StdinPipe()
	if err != nil {
		return nil, err
	}
	if err := fill.Start(); err != nil {
		return nil, err
	}
	history(in, commits, files)
	if err := fill.Wait(); err != nil {
		return nil, fmt.Errorf("filling the repository: %w", err)
	}
	// As a server keeps it.
	if out, err := exec.CommandContext(ctx, "git", "-C", s.bare, "repack", "-adq", "--write-bitmap-index").CombinedOutput(); err != nil {
		return nil, fmt.Errorf("packing the repository: %w: %s", err, out)
	}
	handler, err := gittest.Handler(filepath.Dir(s.bare), "", "")
	if err != nil {
		return nil, err
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	s.url = "http://" + listener.Addr().String() + "/gitops.git"
	s.http = &http.Server{Handler: handler}
	go func() { _ = s.http.Serve(counting{listener, &s.bytes}) }()
	return s, nil
}

// history writes commits: all files at first, then a new version of one.
func history(to io.WriteCloser, commits, files int) {
	w := bufio.NewWriter(to)
	file := func(i, version int) {
		model := i / filesOfAModel
		environment := [...]string{"staging", "production"}[model%2]
		if model == 1 {
			environment = "staging" // the one that is promoted
		}
		text := manifest(model, version)
		fmt.Fprintf(w, "M 100644 inline %s/model-%d/file-%d.yaml\ndata %d\n%s\n", environment, model, i%filesOfAModel, len(text), text)
	}
	for commit := range commits {
		fmt.Fprintf(w, "commit refs/heads/main\ncommitter bot <bot@example.com> %d +0000\ndata 8\nPromote\n\n", 1_700_000_000+commit*60)
		if commit == 0 {
			for i := range files {
				file(i, 0)
			}
			continue
		}
		file(commit*7919%files, commit)
	}
	_ = w.Flush()
	_ = to.Close()
}

// counting counts the bytes of all connections.
type counting struct {
	net.Listener
	bytes *atomic.Int64
}

func (c counting) Accept() (net.Conn, error) {
	conn, err := c.Listener.Accept()
	if err != nil {
		return nil, err
	}
	return counted{conn, c.bytes}, nil
}

type counted struct {
	net.Conn
	bytes *atomic.Int64
}

func (c counted) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p)
	c.bytes.Add(int64(n))
	return n, err
}

func (c counted) Write(p []byte) (int, error) {
	n, err := c.Conn.Write(p)
	c.bytes.Add(int64(n))
	return n, err
}
