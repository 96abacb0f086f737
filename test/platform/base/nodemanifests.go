package base

// What kind applies to each new cluster from its node image. A published node
// image has kindnetd and the local path provisioner here.

// cniManifest runs the node agent. The comment in its first line asks kind to
// add CONTROL_PLANE_ENDPOINT to the DaemonSet's environment.
const cniManifest = `# would you kindly patch this file
---
apiVersion: v1
kind: ServiceAccount
metadata:
  name: nodeagent
  namespace: kube-system
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRole
metadata:
  name: nodeagent
rules:
- apiGroups: [""]
  resources: [nodes, persistentvolumeclaims]
  verbs: [list]
- apiGroups: [""]
  resources: [persistentvolumes]
  verbs: [list, create, delete]
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRoleBinding
metadata:
  name: nodeagent
roleRef:
  apiGroup: rbac.authorization.k8s.io
  kind: ClusterRole
  name: nodeagent
subjects:
- kind: ServiceAccount
  name: nodeagent
  namespace: kube-system
---
apiVersion: apps/v1
kind: DaemonSet
metadata:
  name: nodeagent
  namespace: kube-system
  labels:
    app: nodeagent
spec:
  selector:
    matchLabels:
      app: nodeagent
  template:
    metadata:
      labels:
        app: nodeagent
    spec:
      hostNetwork: true
      nodeSelector:
        kubernetes.io/os: linux
      tolerations:
      - operator: Exists
      priorityClassName: system-node-critical
      serviceAccountName: nodeagent
      terminationGracePeriodSeconds: 1
      containers:
      - name: nodeagent
        image: ` + nodeagentImageName + `
        imagePullPolicy: Never
        env:
        - name: NODE_NAME
          valueFrom:
            fieldRef:
              fieldPath: spec.nodeName
        volumeMounts:
        - name: host
          mountPath: /host
        resources:
          requests:
            cpu: 10m
            memory: 20Mi
        securityContext:
          privileged: true
      volumes:
      - name: host
        hostPath:
          path: /
`

// storageManifest is the default storage class, under the name that kind gives
// it everywhere.
const storageManifest = `apiVersion: storage.k8s.io/v1
kind: StorageClass
metadata:
  name: standard
  annotations:
    storageclass.kubernetes.io/is-default-class: "true"
provisioner: model-delivery.dev/node-directory
volumeBindingMode: WaitForFirstConsumer
reclaimPolicy: Delete
`
