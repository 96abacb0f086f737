package docker

import (
	"context"
	"fmt"
	"io"

	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/tarball"
)

// LoadImage puts the image into the engine as ref, unless it is there.
func (e *Engine) LoadImage(ctx context.Context, ref string, img v1.Image) error {
	config, err := img.ConfigName()
	if err != nil {
		return fmt.Errorf("load the image %s: %w", ref, err)
	}
	if found, err := e.ImageInspect(ctx, ref); err == nil && found.ID == config.String() {
		return nil
	}
	tag, err := name.NewTag(ref, name.WeakValidation)
	if err != nil {
		return fmt.Errorf("load the image %s: %w", ref, err)
	}
	reader, writer := io.Pipe()
	go func() { writer.CloseWithError(tarball.Write(tag, img, writer)) }()
	defer reader.Close()
	return e.Load(ctx, reader)
}
