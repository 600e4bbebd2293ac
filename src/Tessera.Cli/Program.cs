return Tessera.Cli.CommandLine.Run(args);
