package kind

import (
	"context"
	"time"
)

// DeleteTimeout bounds how long [Delete] tries, since docker sometimes needs
// several attempts to remove a container that is stuck in input or output.
const DeleteTimeout = time.Minute

// Delete removes a cluster's containers with their volumes and, when
// kubeconfig is not empty, the cluster's entries in that file. It does
// nothing when there is no such cluster.
func Delete(ctx context.Context, target Target, kubeconfig string) error {
	s, err := open(target)
	if err != nil {
		return err
	}
	defer s.close()
	start := time.Now()
	ctx, cancel := context.WithTimeout(ctx, DeleteTimeout)
	defer cancel()
	n, err := s.remove(ctx)
	if err != nil {
		return err
	}
	if kubeconfig != "" {
		if err := removeFromKubeconfig(kubeconfig, s.Name); err != nil {
			return err
		}
	}
	if n == 0 {
		s.Log("there is no cluster %s", s.Name)
		return nil
	}
	s.Log("deleted cluster %s (%d node(s)) in %s", s.Name, n, since(start))
	return nil
}
