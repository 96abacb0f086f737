package main

import (
	"context"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
)

const (
	className   = "standard"
	provisioner = "model-delivery.dev/node-directory"
	selected    = "volume.kubernetes.io/selected-node"
	madeBy      = "pv.kubernetes.io/provisioned-by"
	directories = "/var/local-path-provisioner"
)

// volumeName is what a volume's name must look like before it becomes part of a
// path of the node.
var volumeName = regexp.MustCompile(`^pvc-[0-9a-f-]{36}$`)

type metadata struct {
	Name        string            `json:"name"`
	Namespace   string            `json:"namespace,omitempty"`
	UID         string            `json:"uid,omitempty"`
	Annotations map[string]string `json:"annotations,omitempty"`
}

type claimList struct {
	Items []struct {
		Metadata metadata
		Spec     struct {
			StorageClassName string
			AccessModes      []string
			VolumeMode       string
			Resources        struct{ Requests struct{ Storage string } }
		}
		Status struct{ Phase string }
	}
}

type volumeList struct {
	Items []struct {
		Metadata metadata
		Spec     struct {
			PersistentVolumeReclaimPolicy string
		}
		Status struct{ Phase string }
	}
}

// syncStorage makes volumes for the claims that wait for this node, and removes
// those that nobody claims any more. The API server answers from its cache.
func syncStorage(ctx context.Context, api *client, self string) error {
	claims := &claimList{}
	if err := api.get(ctx, "/api/v1/persistentvolumeclaims?resourceVersion=0", claims); err != nil {
		return fmt.Errorf("list the claims: %w", err)
	}
	for _, claim := range claims.Items {
		if claim.Status.Phase != "Pending" || claim.Spec.StorageClassName != className || claim.Metadata.Annotations[selected] != self {
			continue
		}
		volume := volumeOf(claim.Metadata, claim.Spec.AccessModes, claim.Spec.Resources.Requests.Storage, self)
		if err := create(ctx, api, volume, "pvc-"+claim.Metadata.UID); err != nil {
			return fmt.Errorf("make a volume for %s/%s: %w", claim.Metadata.Namespace, claim.Metadata.Name, err)
		}
	}
	volumes := &volumeList{}
	if err := api.get(ctx, "/api/v1/persistentvolumes?resourceVersion=0", volumes); err != nil {
		return fmt.Errorf("list the volumes: %w", err)
	}
	for _, volume := range volumes.Items {
		note := volume.Metadata.Annotations
		if volume.Status.Phase != "Released" || note[madeBy] != provisioner || note[selected] != self ||
			volume.Spec.PersistentVolumeReclaimPolicy != "Delete" {
			continue
		}
		if err := remove(ctx, api, volume.Metadata.Name); err != nil {
			return fmt.Errorf("remove the volume %s: %w", volume.Metadata.Name, err)
		}
	}
	return nil
}

// volumeOf is the volume for a claim, bound to it and to the node.
func volumeOf(claim metadata, accessModes []string, size, node string) map[string]any {
	name := "pvc-" + claim.UID
	return map[string]any{
		"apiVersion": "v1", "kind": "PersistentVolume",
		"metadata": metadata{Name: name, Annotations: map[string]string{madeBy: provisioner, selected: node}},
		"spec": map[string]any{
			"capacity":                      map[string]string{"storage": size},
			"accessModes":                   accessModes,
			"storageClassName":              className,
			"persistentVolumeReclaimPolicy": "Delete",
			"hostPath":                      map[string]string{"path": filepath.Join(directories, name), "type": "DirectoryOrCreate"},
			"claimRef": map[string]string{
				"apiVersion": "v1", "kind": "PersistentVolumeClaim",
				"name": claim.Name, "namespace": claim.Namespace, "uid": claim.UID,
			},
			"nodeAffinity": map[string]any{"required": map[string]any{"nodeSelectorTerms": []any{
				map[string]any{"matchExpressions": []any{
					map[string]any{"key": "kubernetes.io/hostname", "operator": "In", "values": []string{node}},
				}},
			}}},
		},
	}
}

// create makes the directory, then the volume; both may be there already.
func create(ctx context.Context, api *client, volume map[string]any, name string) error {
	directory, err := hostDirectory(name)
	if err != nil {
		return err
	}
	if err := os.MkdirAll(directory, 0o755); err != nil {
		return err
	}
	// Any user may write, as with kind's own provisioner: the umask must not
	// take that away.
	if err := os.Chmod(directory, 0o777); err != nil {
		return err
	}
	err = api.do(ctx, http.MethodPost, "/api/v1/persistentvolumes", volume, nil)
	if hasCode(err, http.StatusConflict) {
		return nil
	}
	return err
}

func remove(ctx context.Context, api *client, name string) error {
	directory, err := hostDirectory(name)
	if err != nil {
		return err
	}
	if err := os.RemoveAll(directory); err != nil {
		return err
	}
	err = api.do(ctx, http.MethodDelete, "/api/v1/persistentvolumes/"+name, nil, nil)
	if hasCode(err, http.StatusNotFound) {
		return nil
	}
	return err
}

func hostDirectory(name string) (string, error) {
	if !volumeName.MatchString(name) {
		return "", fmt.Errorf("the name %q is not one of a provisioned volume", name)
	}
	return filepath.Join("/host", directories, name), nil
}
