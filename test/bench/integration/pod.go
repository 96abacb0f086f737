package main

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// user is who the steps run as, as in the Task.
const user = "65532:65532"

// measure runs one way once, in containers and volumes of its own.
func (b *bench) measure(ctx context.Context, way string, number int) (measured, error) {
	dir, err := os.MkdirTemp("", "bench-run-")
	if err != nil {
		return measured{}, err
	}
	defer os.RemoveAll(dir)
	source, results := filepath.Join(dir, "source"), filepath.Join(dir, "results")
	if err := errors.Join(os.MkdirAll(filepath.Join(source, "models"), 0o777), os.MkdirAll(results, 0o777)); err != nil {
		return measured{}, err
	}
	if err := os.CopyFS(filepath.Join(source, "models", b.model), os.DirFS(filepath.Join(b.root, "models", b.model))); err != nil {
		return measured{}, err
	}
	// The steps run as another user.
	if out, err := exec.CommandContext(ctx, "chmod", "-R", "a+rwX", dir).CombinedOutput(); err != nil {
		return measured{}, fmt.Errorf("open the workspace: %w: %s", err, out)
	}
	disk, removeDisk, err := freshDisk(ctx, dir)
	if err != nil {
		return measured{}, err
	}
	pod := fmt.Sprintf("bench-%s-%d-%d", way, number, os.Getpid())
	defer func() {
		b.removePod(context.WithoutCancel(ctx), pod)
		if err := removeDisk(); err != nil {
			fmt.Fprintln(os.Stderr, "warning:", err)
		}
	}()

	// What was written before is on the disk, so that the run does not wait for it.
	unix.Sync()
	var output bytes.Buffer
	started := time.Now()
	if err := b.startEngine(ctx, pod, disk); err != nil {
		return measured{}, err
	}
	ends, order, err := b.runStep(ctx, way, pod, source, results, started, &output)
	total := time.Since(started)
	if b.keep != "" {
		err = errors.Join(err, os.MkdirAll(b.keep, 0o755), os.WriteFile(filepath.Join(b.keep, pod+".log"), output.Bytes(), 0o644))
	}
	if err != nil {
		return measured{}, fmt.Errorf("%w\n%s", err, lastLines(output.String(), 40))
	}
	ready, err := b.engineReady(ctx, pod, dir)
	if err != nil {
		return measured{}, err
	}
	return measured{total: total, phases: added(way, ends, order), seen: started.Add(ends["docker"]).Sub(ready)}, nil
}

// startEngine starts the container of the engine as the sidecar is started.
func (b *bench) startEngine(ctx context.Context, pod, disk string) error {
	_, err := b.docker(ctx, "run", "--detach", "--privileged", "--name", pod+"-dind", "--network", b.platform.Network,
		"--volume", disk+":/var/lib/docker", "--volume", pod+"-dind:/dind", "--volume", "/lib/modules:/lib/modules:ro", "--volume", b.tools+":"+toolsDir+":ro",
		"--env", "DOCKER_HOST=unix:///dind/docker.sock", "--env", "REGISTRY_MIRROR=", "--env", "INSECURE_REGISTRIES="+b.platform.Registry,
		"--entrypoint", "sh", b.platform.DindImage, toolsDir+"/sidecar.sh")
	return err
}

var phaseEnds = regexp.MustCompile(`^\[([a-z]+)\] done`)

// runStep runs the step beside the engine, and notes when its phases end.
func (b *bench) runStep(ctx context.Context, way, pod, source, results string, started time.Time, output io.Writer) (map[string]time.Duration, []string, error) {
	args := []string{
		"run", "--name", pod + "-step", "--network", "container:" + pod + "-dind", "--user", user, "--workdir", sourceDir,
		"--volume", pod + "-dind:/dind", "--volume", b.tools + ":" + toolsDir + ":ro", "--volume", source + ":" + sourceDir, "--volume", results + ":" + resultsDir,
	}
	command := append([]string{toolsDir + "/kind-integration"}, append(b.task.args, "--results-dir="+resultsDir)...)
	env := b.task.env
	if way == wayOfSeed {
		env = append(b.seedEnv(), "PATH="+toolsDir+":/usr/local/bin:/usr/bin:/bin")
		command = []string{"bash", toolsDir + "/seed.sh"}
	}
	for _, variable := range append(env, "HOME="+resultsDir) {
		args = append(args, "--env", variable)
	}
	args = append(args, "--entrypoint", command[0], b.platform.Value("builder", "model-builder"))
	cmd := b.command(ctx, append(args, command[1:]...)...)
	reader, writer := io.Pipe()
	cmd.Stdout, cmd.Stderr = writer, writer
	ends, order := map[string]time.Duration{}, []string(nil)
	read := make(chan struct{})
	go func() {
		defer close(read)
		scanner := bufio.NewScanner(reader)
		scanner.Buffer(nil, 1<<20)
		for scanner.Scan() {
			at := time.Since(started)
			fmt.Fprintf(output, "%7.2f %s\n", at.Seconds(), scanner.Text())
			if b.verbose {
				fmt.Printf("%7.2f %s\n", at.Seconds(), scanner.Text())
			}
			if match := phaseEnds.FindStringSubmatch(scanner.Text()); match != nil {
				ends[match[1]] = at
				order = append(order, match[1])
			}
		}
		io.Copy(io.Discard, reader)
	}()
	err := cmd.Run()
	writer.Close()
	<-read
	return ends, order, err
}

var engineUp = regexp.MustCompile(`time="([^"]+)".*msg="API listen on /dind/docker.sock"`)

// engineReady reads from the engine's log when it was ready.
func (b *bench) engineReady(ctx context.Context, pod, dir string) (time.Time, error) {
	// The Task's engine has ended with it.
	file := filepath.Join(dir, "dockerd.log")
	if _, err := b.docker(ctx, "cp", pod+"-dind:/dind/dockerd.log", file); err != nil {
		return time.Time{}, err
	}
	log, err := os.ReadFile(file)
	if err != nil {
		return time.Time{}, err
	}
	match := engineUp.FindSubmatch(log)
	if match == nil {
		return time.Time{}, errors.New("the engine's log does not tell when it was ready")
	}
	return time.Parse(time.RFC3339Nano, string(match[1]))
}

// removePod removes what measure made.
func (b *bench) removePod(ctx context.Context, pod string) {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	for _, args := range [][]string{{"rm", "--force", "--volumes", pod + "-step", pod + "-dind"}, {"volume", "rm", "--force", pod + "-dind"}} {
		if _, err := b.docker(ctx, args...); err != nil {
			fmt.Fprintln(os.Stderr, "warning:", err)
		}
	}
}

func (b *bench) docker(ctx context.Context, args ...string) (string, error) {
	out, err := b.command(ctx, args...).CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("docker %s: %w: %s", args[0], err, lastLines(string(out), 5))
	}
	return string(out), nil
}

// command is a docker command on the platform's engine.
func (b *bench) command(ctx context.Context, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, filepath.Join(b.platform.DockerPath, "docker"), args...)
	if b.platform.DockerPath == "" {
		cmd = exec.CommandContext(ctx, "docker", args...)
	}
	cmd.Env = append(os.Environ(), b.platform.Environ()...)
	return cmd
}

func lastLines(text string, n int) string {
	lines := strings.Split(strings.TrimSpace(text), "\n")
	return strings.Join(lines[max(0, len(lines)-n):], "\n")
}
