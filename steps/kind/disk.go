package kind

import (
	"context"
	"fmt"
	"time"

	"github.com/moby/moby/client"
)

// diskFactsTimeout is short: a daemon on a full disk is slow.
const diskFactsTimeout = 3 * time.Second

// diskFacts says what uses the daemon's disk; nothing when it does not say.
func (s *session) diskFacts(ctx context.Context) []string {
	ctx, cancel := context.WithTimeout(ctx, diskFactsTimeout)
	defer cancel()
	usage, err := s.docker.DiskUsage(ctx, client.DiskUsageOptions{})
	if err != nil {
		return nil
	}
	return []string{fmt.Sprintf("the daemon's disk holds %d MiB of images, %d MiB of containers, %d MiB of volumes, %d MiB of build cache",
		usage.Images.TotalSize>>20, usage.Containers.TotalSize>>20, usage.Volumes.TotalSize>>20, usage.BuildCache.TotalSize>>20)}
}
