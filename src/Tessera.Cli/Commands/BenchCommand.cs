using System.CommandLine;
using System.CommandLine.Completions;
using System.Diagnostics;
using System.Runtime.InteropServices;
using Tessera.Cli.Rendering;
using Tessera.Cli.Shell;

namespace Tessera.Cli.Commands;

/// <summary><c>tessera bench</c>: lists the benchmarks of the checkout and starts them.</summary>
internal static class BenchCommand
{
    private const string Folder = "benchmarks";

    private static readonly Argument<string?> Name = new("name")
    {
        HelpName = "name",
        Description = "Benchmark to start; lists all benchmarks by default.",
        Arity = ArgumentArity.ZeroOrOne,
    };

    private static readonly Argument<string[]> Rest = new("arguments")
    {
        HelpName = "arguments",
        Description = "Arguments for the benchmark; tessera bench NAME -- --help lists them.",
        Arity = ArgumentArity.ZeroOrMore,
    };

    /// <summary>A script, or a program of ours, that measures something.</summary>
    /// <param name="Name">Its folder, with its own name where a folder has several.</param>
    /// <param name="What">The first line of what it says about itself.</param>
    /// <param name="Script">Its path from the checkout on.</param>
    private sealed record Benchmark(string Name, string What, string Script);

    internal static Command Create()
    {
        var command = new ExampleCommand(
            "bench",
            "List the benchmarks, or start one: Tessera beside PyTorch, ONNX Runtime and others on this machine."
        )
        {
            Examples =
            [
                ("tessera bench", "list the benchmarks"),
                ("tessera bench inference", "time all models, which takes some minutes"),
                ("tessera bench inference --models vit_tiny --threads 1", "time one model"),
                ("tessera bench training -- --help", "show the arguments of a benchmark"),
            ],
            PassesOptionsOn = true,
            Arguments = { Name, Rest },
        };
        Name.CompletionSources.Add(_ => Root() is { } root ? All(root).Select(benchmark => new CompletionItem(benchmark.Name)) : []);
        command.SetAction(parsed =>
        {
            var root = Root()
                ?? throw new UserException(
                    $"no folder above {AppContext.BaseDirectory} holds the benchmarks: start ./tessera from a checkout"
                );
            var all = All(root);
            if (parsed.GetValue(Name) is { } name)
                return Start(root, Find(all, name), parsed.GetValue(Rest) ?? []);
            List(all, parsed.Terminal());
            return ExitCode.Success;
        });
        return command;
    }

    private static string? Root()
    {
        for (var folder = new DirectoryInfo(AppContext.BaseDirectory); folder is not null; folder = folder.Parent)
            if (File.Exists(Path.Combine(folder.FullName, Folder, "side_by_side.py")))
                return folder.FullName;
        return null;
    }

    // Scripts that are started by others have no interpreter in their first line, and such programs no remark.
    private static IReadOnlyList<Benchmark> All(string root)
    {
        IEnumerable<Benchmark> Found(string pattern, Func<string[], string?> what) =>
            from file in Directory.EnumerateFiles(Path.Combine(root, Folder), pattern, SearchOption.AllDirectories)
            let said = what([.. File.ReadLines(file).Take(2)])
            where said is not null
            let folder = Path.GetFileName(Path.GetDirectoryName(file))
            let stem = Path.GetFileNameWithoutExtension(file)
            select new Benchmark(
                stem is "run" or "compare" or "train" or "Program" ? folder : $"{folder}/{stem}",
                said,
                Path.GetRelativePath(root, file)
            );

        return
        [
            .. Found("*.py", lines => lines is [['#', '!', ..], var title, ..] ? title.Trim('"') : null)
                .Concat(Found("Program.cs", lines => lines is [['/', '/', ' ', .. var title], ..] ? title : null))
                .OrderBy(benchmark => benchmark.Name, StringComparer.Ordinal),
        ];
    }

    private static Benchmark Find(IReadOnlyList<Benchmark> all, string name)
    {
        if (all.FirstOrDefault(benchmark => benchmark.Name == name) is { } found)
            return found;
        var nearest = Spelling.Nearest(name, all.Select(benchmark => benchmark.Name)).Take(3);
        throw new UserException(
            $"there is no benchmark {name}; the nearest names are {string.Join(", ", nearest)} (tessera bench lists all)"
        );
    }

    private static void List(IReadOnlyList<Benchmark> all, Terminal terminal)
    {
        if (terminal.Json)
        {
            Terminal.WriteJson(all);
            return;
        }
        if (terminal.Quiet)
        {
            foreach (var benchmark in all)
                Terminal.Result(benchmark.Name);
            return;
        }
        var table = new TextTable(new("name"), new("description"), new("script"));
        foreach (var (name, what, script) in all)
            table.Add(name, what, script);
        table.Show(terminal);
        terminal.Note("tessera bench NAME starts a benchmark; tessera bench NAME -- --help lists its arguments");
    }

    private static int Start(string root, Benchmark benchmark, string[] arguments)
    {
        // An interrupt reaches the script too; this process waits for its end.
        using var interrupt = PosixSignalRegistration.Create(PosixSignal.SIGINT, signal => signal.Cancel = true);
        var path = Path.Combine(root, benchmark.Script);
        var start = path.EndsWith(".cs", StringComparison.Ordinal)
            ? new ProcessStartInfo("dotnet", ["run", "-c", "Release", "--project", Path.GetDirectoryName(path)!, "--", .. arguments])
            : new ProcessStartInfo(path, arguments);
        start.UseShellExecute = false;
        using var process = Process.Start(start) ?? throw new InvalidOperationException($"{benchmark.Script} could not be started");
        process.WaitForExit();
        return process.ExitCode;
    }
}
