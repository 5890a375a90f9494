// Command netpol enforces NetworkPolicies on one node.
// It is the policy controller of kube-router, without its router and its proxy.
// Usage: netpol KUBECONFIG NODE SERVICE-CIDR. The Node must exist.
package main

import (
	"os"
	"sync"

	"github.com/cloudnativelabs/kube-router/v2/pkg/controllers/netpol"
	"github.com/cloudnativelabs/kube-router/v2/pkg/healthcheck"
	"github.com/cloudnativelabs/kube-router/v2/pkg/options"
	"k8s.io/client-go/informers"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/clientcmd"
	"k8s.io/klog/v2"
)

func main() {
	settings := options.NewKubeRouterConfig()
	settings.HostnameOverride, settings.ClusterIPCIDRs, settings.EnableIPv4 = os.Args[2], []string{os.Args[3]}, true
	config, err := clientcmd.BuildConfigFromFlags("", os.Args[1])
	must(err)
	client, err := kubernetes.NewForConfig(config)
	must(err)
	factory, stop := informers.NewSharedInformerFactory(client, 0), make(chan struct{})
	pods, namespaces := factory.Core().V1().Pods().Informer(), factory.Core().V1().Namespaces().Informer()
	policies := factory.Networking().V1().NetworkPolicies().Informer()
	factory.Start(stop)
	factory.WaitForCacheSync(stop)
	tables, sets, err := netpol.NewIPTablesHandlers(settings)
	must(err)
	controller, err := netpol.NewNetworkPolicyController(client, settings, pods, policies, namespaces, &sync.Mutex{}, tables, sets)
	must(err)
	_, err = pods.AddEventHandler(controller.PodEventHandler)
	must(err)
	_, err = namespaces.AddEventHandler(controller.NamespaceEventHandler)
	must(err)
	_, err = policies.AddEventHandler(controller.NetworkPolicyEventHandler)
	must(err)
	run(controller, stop)
}

// run lets the controller work until the process ends. Its heartbeats go nowhere: nobody asks for its health.
func run(controller *netpol.NetworkPolicyController, stop chan struct{}) {
	beats := make(chan *healthcheck.ControllerHeartbeat, 10)
	go func() {
		for range beats {
		}
	}()
	group := &sync.WaitGroup{}
	group.Add(1)
	controller.Run(beats, stop, group)
}

func must(err error) {
	if err != nil {
		klog.Fatal(err)
	}
}
