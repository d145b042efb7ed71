package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"strings"

	"github.com/spf13/cobra"

	"mycoproxy/backend"
	"mycoproxy/backend/book"
	"mycoproxy/backend/settings"
)

// The commands of the address book.

func newName() *cobra.Command {
	return &cobra.Command{
		Use:   "name ADDR|NAME TEXT",
		Short: "Call a proxy TEXT from now on",
		Long: "Call a proxy TEXT from now on, 1 to 40 characters; an empty TEXT (\"\") takes the name away.\n" +
			"Wherever a command takes an address, it takes a name, or a unique beginning of one.",
		Args:              exactly("an address and a text", 2),
		ValidArgsFunction: completeProxies,
		RunE: withService(func(ctx context.Context, c *cobra.Command, b backend.Backend, args []string) error {
			addr, err := find(ctx, b, args[0])
			if err != nil {
				return err
			}
			if err := b.ChangeBook(ctx, []backend.BookChange{{Address: addr, Name: &args[1]}}); err != nil {
				return err
			}
			if args[1] == "" {
				fmt.Fprintf(c.OutOrStdout(), "%s has no name now\n", addr)
			} else {
				fmt.Fprintf(c.OutOrStdout(), "%s is called %s\n", addr, args[1])
			}
			return nil
		}),
	}
}

func newFavourite() *cobra.Command {
	var remove bool
	c := &cobra.Command{
		Use:               "favourite ADDR|NAME",
		Short:             "Make a proxy a favourite, which lists show first",
		Args:              exactly("an address", 1),
		ValidArgsFunction: completeProxies,
		RunE: withService(func(ctx context.Context, c *cobra.Command, b backend.Backend, args []string) error {
			addr, err := find(ctx, b, args[0])
			if err != nil {
				return err
			}
			favourite := !remove
			if err := b.ChangeBook(ctx, []backend.BookChange{{Address: addr, Favourite: &favourite}}); err != nil {
				return err
			}
			if favourite {
				fmt.Fprintf(c.OutOrStdout(), "%s is a favourite\n", addr)
			} else {
				fmt.Fprintf(c.OutOrStdout(), "%s is no favourite\n", addr)
			}
			return nil
		}),
	}
	c.Flags().BoolVar(&remove, "remove", false, "it is none any more")
	return c
}

func newRemove() *cobra.Command {
	return &cobra.Command{
		Use:   "remove ADDR|NAME",
		Short: "Remove a proxy from the address book",
		Long: "Remove a proxy from the address book, with its name, star and history. It comes back if it\n" +
			"is found again: through a route of the node, say.",
		Args:              exactly("an address", 1),
		ValidArgsFunction: completeProxies,
		RunE: withService(func(ctx context.Context, c *cobra.Command, b backend.Backend, args []string) error {
			addr, err := find(ctx, b, args[0])
			if err != nil {
				return err
			}
			if err := b.ChangeBook(ctx, []backend.BookChange{{Address: addr, Remove: true}}); err != nil {
				return err
			}
			fmt.Fprintf(c.OutOrStdout(), "%s is removed\n", addr)
			return nil
		}),
	}
}

func newExport() *cobra.Command {
	var all bool
	c := &cobra.Command{
		Use:   "export",
		Short: "Print the proxies with a name or a star, as a list for others",
		Long: "Print the proxies that you have given a name or a star, a line each, as a list that\n" +
			"mycoproxy import reads.",
		Args: noArgs,
		RunE: withService(func(ctx context.Context, c *cobra.Command, b backend.Backend, _ []string) error {
			entries, err := b.Book(ctx)
			if err != nil {
				return err
			}
			chosen := entries[:0:0]
			for _, e := range entries {
				if all || e.Favourite || e.Name != "" {
					chosen = append(chosen, e)
				}
			}
			if len(chosen) == 0 {
				fmt.Fprintln(c.ErrOrStderr(), "No proxy has a name or a star; with --all every proxy of the address book is printed.")
			}
			return book.WriteList(c.OutOrStdout(), chosen)
		}),
	}
	c.Flags().BoolVarP(&all, "all", "a", false, "every proxy of the address book")
	return c
}

func newImport() *cobra.Command {
	return &cobra.Command{
		Use:   "import FILE|URL|-",
		Short: "Add the proxies of a list to the address book",
		Long: "Add the proxies of a list to the address book: UTF-8 text, a line each, ADDRESS or\n" +
			"ADDRESS NAME; # begins a comment. A name is taken where you have given none. - reads the\n" +
			"standard input. A URL is fetched straight, through no proxy.",
		Args: exactly("a file, a URL or -", 1),
		RunE: withService(importList),
	}
}

func importList(ctx context.Context, c *cobra.Command, b backend.Backend, args []string) error {
	list := io.NopCloser(c.InOrStdin())
	if args[0] != "-" {
		var err error
		if list, err = book.OpenList(ctx, args[0]); err != nil {
			return err
		}
	}
	defer list.Close()
	items, bad, err := book.ReadList(list)
	if err != nil {
		return err
	}
	for i, l := range bad {
		if i == 10 {
			fmt.Fprintf(c.ErrOrStderr(), "… and %d more lines\n", len(bad)-i)
			break
		}
		fmt.Fprintln(c.ErrOrStderr(), l)
	}
	if len(items) == 0 {
		return errors.New("no line of the list is the address of a proxy")
	}
	before, err := b.Book(ctx)
	if err != nil {
		return err
	}
	changes := make([]backend.BookChange, len(items))
	for i, item := range items {
		changes[i] = backend.BookChange{Address: item.Address, Suggested: item.Name}
	}
	if err := b.ChangeBook(ctx, changes); err != nil {
		return err
	}
	after, err := b.Book(ctx)
	if err != nil {
		return err
	}
	fmt.Fprintf(c.OutOrStdout(), "%d of %d proxies are new in the address book\n", len(after)-len(before), len(items))
	return nil
}

func newForget() *cobra.Command {
	var all bool
	c := &cobra.Command{
		Use:   "forget --all",
		Short: "Remove the whole address book",
		Long:  "Remove the whole address book, with all names and stars:\n" + settings.BookFile(),
		Args:  noArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			if !all {
				return usageError{errors.New("forget needs --all; a single proxy is removed by mycoproxy remove")}
			}
			err := withService(func(ctx context.Context, _ *cobra.Command, b backend.Backend, _ []string) error {
				entries, err := b.Book(ctx)
				if err != nil {
					return err
				}
				changes := make([]backend.BookChange, len(entries))
				for i, e := range entries {
					changes[i] = backend.BookChange{Address: e.Address, Remove: true}
				}
				return b.ChangeBook(ctx, changes)
			})(c, nil)
			if errors.Is(err, backend.ErrNotRunning) {
				err = settings.ForgetBook()
			}
			if err == nil {
				fmt.Fprintln(c.OutOrStdout(), "the address book is empty")
			}
			return err
		},
	}
	c.Flags().BoolVar(&all, "all", false, "so that it does not happen by mistake")
	return c
}

// find returns the address that a user means: one that is written out, or that of
// a proxy whose name, or the beginning of it, is given.
func find(ctx context.Context, b backend.Backend, text string) (netip.AddrPort, error) {
	if addr, err := backend.ParseAddress(text); err == nil {
		return addr, nil
	}
	entries, err := b.Book(ctx)
	if err != nil {
		if _, addrErr := book.Find(nil, text); strings.ContainsAny(text, ".:[]/") {
			return netip.AddrPort{}, addrErr // it is wrong whether a service runs or not
		}
		return netip.AddrPort{}, err
	}
	return book.Find(entries, text)
}

// exactly is for a command that takes n arguments, which what names.
func exactly(what string, n int) cobra.PositionalArgs {
	return func(c *cobra.Command, args []string) error {
		if len(args) != n {
			return usageError{fmt.Errorf("%s takes %s", c.CommandPath(), what)}
		}
		return nil
	}
}

// completeProxies offers the names and addresses of the proxies that the running
// service knows.
func completeProxies(c *cobra.Command, args []string, _ string) (list []cobra.Completion, _ cobra.ShellCompDirective) {
	if len(args) == 0 {
		withService(func(ctx context.Context, _ *cobra.Command, b backend.Backend, _ []string) error {
			entries, err := b.Book(ctx)
			named := map[netip.AddrPort]bool{}
			for _, e := range entries {
				if e.Name != "" {
					named[e.Address] = true
					list = append(list, cobra.CompletionWithDesc(e.Name, e.Address.String()))
				}
			}
			if err != nil {
				return err
			}
			state, err := b.State(ctx)
			for _, p := range state.Proxies {
				if !named[p.Address] {
					list = append(list, cobra.CompletionWithDesc(p.Address.String(), p.Verdict.String()))
				}
			}
			return err
		})(c, nil)
	}
	return list, cobra.ShellCompDirectiveNoFileComp
}
