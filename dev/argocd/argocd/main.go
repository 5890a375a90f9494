// Command argocd is three servers of Argo CD in one program, without its web server and its user command.
// Usage: argocd application-controller|applicationset-controller|repo-server FLAGS…
package main

import (
	"fmt"
	"os"

	application "github.com/argoproj/argo-cd/v3/cmd/argocd-application-controller/commands"
	applicationset "github.com/argoproj/argo-cd/v3/cmd/argocd-applicationset-controller/commands"
	reposerver "github.com/argoproj/argo-cd/v3/cmd/argocd-repo-server/commands"
	"github.com/spf13/cobra"
)

var servers = map[string]func() *cobra.Command{
	"application-controller":    application.NewCommand,
	"applicationset-controller": applicationset.NewCommand,
	"repo-server":               reposerver.NewCommand,
}

func main() {
	if len(os.Args) < 2 || servers[os.Args[1]] == nil {
		fmt.Fprintln(os.Stderr, "usage: argocd application-controller|applicationset-controller|repo-server FLAGS…")
		os.Exit(2)
	}
	server := servers[os.Args[1]]()
	server.SetArgs(os.Args[2:])
	if server.Execute() != nil {
		os.Exit(1)
	}
}
