package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"net/http"
	"os"
	"os/signal"
	"path/filepath"
	"slices"
	"syscall"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/client-go/informers"
	"k8s.io/client-go/kubernetes"
	corelisters "k8s.io/client-go/listers/core/v1"
	"k8s.io/client-go/tools/cache"
	"k8s.io/client-go/tools/clientcmd"
	"k8s.io/klog/v2"
)

// localVolumes turns a PersistentVolumeClaim of its storage class into a directory of this node.
//
// Kubernetes has a provisioner of its own for tests (kubernetes.io/host-path), but it makes directories in /tmp that
// only root may write, and a hostPath volume ignores fsGroup. A `local` volume honours it, as a cloud's disk does.
// Every change runs one pass over all claims and volumes: at one node's scale that is simpler than a queue, and a
// pass that was cut short is repeated whole.
type localVolumes struct {
	root    string // the folder that holds one folder a volume
	node    string // the only node that can mount them
	class   string // the storage class served
	client  kubernetes.Interface
	claims  corelisters.PersistentVolumeClaimLister
	volumes corelisters.PersistentVolumeLister
}

// pass makes the volume of every unbound claim and removes what released volumes leave.
func (v localVolumes) pass(ctx context.Context) error {
	claims, err := v.claims.List(labels.Everything())
	if err != nil {
		return err
	}
	var failures []error
	for _, claim := range claims {
		if claim.Spec.VolumeName == "" && claim.Spec.StorageClassName != nil && *claim.Spec.StorageClassName == v.class {
			failures = append(failures, v.provision(ctx, claim))
		}
	}
	volumes, err := v.volumes.List(labels.Everything())
	if err != nil {
		return err
	}
	for _, volume := range volumes {
		if volume.Spec.StorageClassName == v.class && volume.Status.Phase == corev1.VolumeReleased &&
			volume.Spec.PersistentVolumeReclaimPolicy == corev1.PersistentVolumeReclaimDelete {
			failures = append(failures, v.remove(ctx, volume))
		}
	}
	return errors.Join(failures...)
}

// provision makes the folder and its volume, bound in advance to the claim. The folder starts as root's: the kubelet
// gives it to the pod's fsGroup when it mounts it.
func (v localVolumes) provision(ctx context.Context, claim *corev1.PersistentVolumeClaim) error {
	if refusal := refuse(claim); refusal != "" {
		v.tell(ctx, claim, refusal)
		return nil
	}
	name := "pvc-" + string(claim.UID) // the same name each time: a pass that died half-way is finished, not repeated
	path := filepath.Join(v.root, name)
	if err := os.MkdirAll(path, 0o755); err != nil {
		return err
	}
	hostname := corev1.NodeSelectorRequirement{
		Key: corev1.LabelHostname, Operator: corev1.NodeSelectorOpIn, Values: []string{v.node},
	}
	_, err := v.client.CoreV1().PersistentVolumes().Create(ctx, &corev1.PersistentVolume{
		ObjectMeta: metav1.ObjectMeta{Name: name},
		Spec: corev1.PersistentVolumeSpec{
			StorageClassName:              v.class,
			PersistentVolumeReclaimPolicy: corev1.PersistentVolumeReclaimDelete,
			AccessModes:                   claim.Spec.AccessModes,
			Capacity:                      corev1.ResourceList{corev1.ResourceStorage: claim.Spec.Resources.Requests[corev1.ResourceStorage]},
			PersistentVolumeSource:        corev1.PersistentVolumeSource{Local: &corev1.LocalVolumeSource{Path: path}},
			ClaimRef: &corev1.ObjectReference{
				APIVersion: "v1", Kind: "PersistentVolumeClaim", Namespace: claim.Namespace, Name: claim.Name, UID: claim.UID,
			},
			NodeAffinity: &corev1.VolumeNodeAffinity{Required: &corev1.NodeSelector{
				NodeSelectorTerms: []corev1.NodeSelectorTerm{{MatchExpressions: []corev1.NodeSelectorRequirement{hostname}}},
			}},
		},
	}, metav1.CreateOptions{})
	if apierrors.IsAlreadyExists(err) {
		return nil
	}
	return err
}

// refuse says why a claim cannot be served, or nothing.
func refuse(claim *corev1.PersistentVolumeClaim) string {
	if claim.Spec.VolumeMode != nil && *claim.Spec.VolumeMode != corev1.PersistentVolumeFilesystem {
		return fmt.Sprintf("volumeMode %s is not offered by this class; use Filesystem", *claim.Spec.VolumeMode)
	}
	if slices.Contains(claim.Spec.AccessModes, corev1.ReadOnlyMany) {
		return "access mode ReadOnlyMany is not offered by this class; use ReadWriteOnce"
	}
	if claim.Spec.DataSource != nil || claim.Spec.DataSourceRef != nil {
		return "dataSource is not offered by this class; remove it"
	}
	return ""
}

// tell leaves one event on the claim; its fixed name keeps a second pass from repeating it.
func (v localVolumes) tell(ctx context.Context, claim *corev1.PersistentVolumeClaim, message string) {
	now := metav1.Now()
	event := &corev1.Event{
		ObjectMeta: metav1.ObjectMeta{Namespace: claim.Namespace, Name: claim.Name + ".local-volumes." + string(claim.UID)[:8]},
		InvolvedObject: corev1.ObjectReference{
			APIVersion: "v1", Kind: "PersistentVolumeClaim", Namespace: claim.Namespace, Name: claim.Name, UID: claim.UID,
		},
		Reason: "ProvisioningFailed", Message: message, Type: corev1.EventTypeWarning, Count: 1,
		FirstTimestamp: now, LastTimestamp: now, Source: corev1.EventSource{Component: "local-volumes"},
	}
	if _, err := v.client.CoreV1().Events(claim.Namespace).Create(ctx, event, metav1.CreateOptions{}); err != nil && !apierrors.IsAlreadyExists(err) {
		klog.ErrorS(err, "cannot record an event", "claim", klog.KObj(claim))
	}
}

// remove deletes a released volume: the folder first, so that nothing is forgotten if we die between the two.
func (v localVolumes) remove(ctx context.Context, volume *corev1.PersistentVolume) error {
	if volume.Spec.Local == nil || filepath.Dir(volume.Spec.Local.Path) != v.root {
		return fmt.Errorf("volume %s is not a folder of %s: left alone", volume.Name, v.root)
	}
	if err := os.RemoveAll(volume.Spec.Local.Path); err != nil {
		return err
	}
	err := v.client.CoreV1().PersistentVolumes().Delete(ctx, volume.Name, metav1.DeleteOptions{})
	if apierrors.IsNotFound(err) {
		return nil
	}
	return err
}

// run repeats the pass after every change, and two seconds after a failure.
func (v localVolumes) run(ctx context.Context, changed <-chan struct{}) {
	for {
		var retry <-chan time.Time
		if err := v.pass(ctx); err != nil {
			klog.ErrorS(err, "a pass failed; trying again")
			retry = time.After(2 * time.Second)
		}
		select {
		case <-ctx.Done():
			return
		case <-changed:
		case <-retry:
		}
	}
}

func runLocalVolumes() int {
	kubeconfig := flag.String("kubeconfig", "", "how to reach the API server")
	root := flag.String("root", "", "folder that holds the volumes")
	node := flag.String("node", "", "name of this node")
	class := flag.String("class", "local", "storage class to serve")
	health := flag.String("healthz-bind-address", "127.0.0.1:10262", "where /healthz answers")
	klog.InitFlags(nil)
	flag.Parse()

	config, err := clientcmd.BuildConfigFromFlags("", *kubeconfig)
	if err != nil {
		klog.ErrorS(err, "cannot read the kubeconfig", "path", *kubeconfig)
		return 1
	}
	client, err := kubernetes.NewForConfig(config)
	if err != nil {
		klog.ErrorS(err, "cannot make a client")
		return 1
	}
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, os.Interrupt)
	defer stop()

	changed := make(chan struct{}, 1)
	wake := func() {
		select {
		case changed <- struct{}{}:
		default: // a pass is already due
		}
	}
	handler := cache.ResourceEventHandlerFuncs{
		AddFunc: func(any) { wake() }, UpdateFunc: func(any, any) { wake() }, DeleteFunc: func(any) { wake() },
	}
	factory := informers.NewSharedInformerFactory(client, 0)
	claims, volumes := factory.Core().V1().PersistentVolumeClaims(), factory.Core().V1().PersistentVolumes()
	for _, informer := range []cache.SharedIndexInformer{claims.Informer(), volumes.Informer()} {
		if _, err := informer.AddEventHandler(handler); err != nil {
			klog.ErrorS(err, "cannot watch")
			return 1
		}
	}
	factory.Start(ctx.Done())
	factory.WaitForCacheSync(ctx.Done())
	http.HandleFunc("/healthz", func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte("ok")) })
	go func() {
		if err := http.ListenAndServe(*health, nil); err != nil {
			klog.ErrorS(err, "cannot serve /healthz", "address", *health)
			stop()
		}
	}()
	localVolumes{
		root: filepath.Clean(*root), node: *node, class: *class, client: client, claims: claims.Lister(), volumes: volumes.Lister(),
	}.run(ctx, changed)
	return 0
}
