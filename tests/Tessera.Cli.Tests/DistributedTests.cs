using System.Diagnostics;
using System.Net;
using System.Net.Sockets;
using Tessera.Cli.Shell;
using Tessera.Training;
using Tessera.Training.Runs;

namespace Tessera.Cli.Tests;

/// <summary>Real processes that train together, through the command line.</summary>
public sealed class DistributedTests(Workplace place) : IClassFixture<Workplace>
{
    private const int Kill = 9,
        Stop = 19;

    // Of 160 images: 5 steps in an epoch, shares of 15 of each batch (or 7 and 8), mixing across the whole batch.
    private string Recipe(int epochs = 4) =>
        place.Write(
            $"recipe-{epochs}.yaml",
            $$"""
            model: { name: cct_2_3x2_32, dropout: 0, attention_dropout: 0, drop_path: 0 }
            data: { name: fashion_mnist, root: "{{place.Data}}", batch: 30 }
            augment: [ shift: 1, flip, mixup: 0.8, cutmix: 1.0 ]
            objective: { name: supervised, smoothing: 0.1 }
            optimizer: { name: sgd, lr: 0.01 }
            schedule: { name: cosine, epochs: {{epochs}}, warmup: 0.5 }
            train: { threads: 1, ema: 0.9, seed: 3, log_every: 1 }
            evaluation: { batch: 7, every: 0 }
            """
        );

    private Dictionary<string, double[]> State(string run)
    {
        using var scope = new Scope();
        var found = new RunFolder(Path.Combine(place.Folder, run)).Checkpoints.Newest()!;
        return ((string[])["model", "optimizer", "ema"])
            .SelectMany(file => found.Load(file).Select(entry => (Name: $"{file}:{entry.Key}", Values: entry.Value.ToArray<double>())))
            .ToDictionary(e => e.Name, e => e.Values);
    }

    private static void Same(Dictionary<string, double[]> expected, Dictionary<string, double[]> found)
    {
        Assert.Equal(expected.Keys.Order(), found.Keys.Order());
        foreach (var (name, values) in expected)
            for (var i = 0; i < values.Length; i++)
                Assert.True(
                    Math.Abs(values[i] - found[name][i]) <= 1e-6,
                    $"{name}[{i}] is {found[name][i]:R}, in one process {values[i]:R}"
                );
    }

    [Fact]
    [Trait("Category", "Long")]
    public void Launched_processes_come_to_the_weights_momentum_and_average_of_one_also_when_their_number_changes()
    {
        var recipe = Recipe();
        var alone = place.Run("train", recipe, "--out", "alone", "--json").Succeeded().Json;
        var whole = State("alone");
        var shared = place.Run("launch", "-n", "2", "train", recipe, "--out", "two", "--json").Succeeded().Json;
        Same(whole, State("two"));
        Assert.Equal(20, shared.GetProperty("steps").GetInt64());
        Assert.Equal(alone.GetProperty("top1").GetDouble(), shared.GetProperty("top1").GetDouble());
        Assert.Equal(40, shared.GetProperty("evaluation").GetProperty("count").GetInt32());
        Assert.True(File.Exists(Path.Combine(place.Folder, "two", "report.html")));

        // Four go on where two were stopped.
        Ended stopped;
        using (var training = CommandLineTool.StartUntil(place.Folder, "step 1/", "launch", "-n", "2", "train", recipe, "--out", "changed"))
        {
            training.Interrupt();
            stopped = training.End();
        }
        Assert.True(stopped.Code == ExitCode.Interrupted, $"exit code {stopped.Code}: {stopped.Error}{stopped.Output}");
        Assert.Single(Directory.GetDirectories(Path.Combine(place.Folder, "changed", "checkpoints")));
        var resumed = place.Run("launch", "-n", "4", "train", "--resume", "changed").Succeeded();
        Assert.Contains("written by 2 processes, going on with 4", resumed.Output, StringComparison.Ordinal);
        Same(whole, State("changed"));
    }

    [Theory]
    [Trait("Category", "Long")]
    [InlineData(Kill, "killed")]
    [InlineData(Stop, "stopped")]
    public void A_process_that_is_killed_or_stopped_ends_the_other_with_its_rank_and_the_run_goes_on(int signal, string run)
    {
        Ended ended;
        using (
            var training = CommandLineTool.StartUntil(
                place.Folder,
                "step 1/",
                "launch",
                "-n",
                "2",
                "--timeout",
                "6",
                "train",
                Recipe(epochs: 400),
                "--out",
                run
            )
        )
        {
            CommandLineTool.Signal(training.Rank(1), signal);
            ended = training.End();
        }
        Assert.True(ended.Code == ExitCode.Failure, $"exit code {ended.Code}: {ended.Error}{ended.Output}");
        Assert.Contains(ended.Error.Split('\n'), line =>
            line.StartsWith("tessera: rank 1 (", StringComparison.Ordinal) && line.Contains("does not answer", StringComparison.Ordinal)
        );
        // What was learned until then is kept, and the run did not come to its end.
        var newest = new RunFolder(Path.Combine(place.Folder, run)).Checkpoints.Newest()!;
        Assert.InRange(newest.Position.Step, 1, 400 * 5 - 1);
        File.WriteAllText(
            Path.Combine(place.Folder, run, "recipe.yaml"),
            File.ReadAllText(Path.Combine(place.Folder, run, "recipe.yaml")).Replace("epochs: 400", "epochs: 1", StringComparison.Ordinal)
        );
        var resumed = place.Run("train", "--resume", run);
        Assert.Contains($"resumed at step {newest.Position.Step}", resumed.Output, StringComparison.Ordinal);
    }

    [Fact]
    public void Processes_with_different_recipes_end_with_the_rank_and_the_field()
    {
        var port = FreePort();
        using var other = CommandLineTool.Start(
            place.Folder,
            At(1, port),
            "train",
            Recipe(),
            "--set",
            "optimizer.lr=0.02",
            "--out",
            "different"
        );
        var first = CommandLineTool.Run(place.Folder, ["train", Recipe(), "--out", "different"], At(0, port));
        foreach (var ended in (Ended[])[first, other.End()])
        {
            Assert.Contains("rank 1 was started with another recipe than rank 0", ended.UserError(), StringComparison.Ordinal);
            Assert.Contains("lr: 0.02", ended.Error, StringComparison.Ordinal);
        }
        Assert.False(File.Exists(Path.Combine(place.Folder, "different", "recipe.yaml")));
    }

    [RootFact]
    [Trait("Category", "Long")]
    public void Two_machines_imitated_by_network_namespaces_train_together()
    {
        var names = (string[])[$"tessera-a-{Environment.ProcessId}", $"tessera-b-{Environment.ProcessId}"];
        try
        {
            foreach (var name in names)
                Ip("netns", "add", name);
            Ip("link", "add", "veth0", "netns", names[0], "type", "veth", "peer", "name", "veth0", "netns", names[1]);
            foreach (var (rank, name) in names.Index())
            {
                Ip("-n", name, "address", "add", $"10.77.0.{rank + 1}/24", "dev", "veth0");
                Ip("-n", name, "link", "set", "veth0", "up");
                Ip("-n", name, "link", "set", "lo", "up");
            }
            CommandLineTool Start(int rank) =>
                CommandLineTool.StartBehind(
                    ["ip", "netns", "exec", names[rank]],
                    place.Folder,
                    new Dictionary<string, string>
                    {
                        ["RANK"] = $"{rank}",
                        ["WORLD_SIZE"] = "2",
                        ["MASTER_ADDR"] = "10.77.0.1",
                        ["MASTER_PORT"] = "29511",
                        ["TESSERA_TIMEOUT"] = "60",
                    },
                    "train",
                    Recipe(1),
                    "--out",
                    "machines",
                    "--json"
                );
            using var other = Start(1);
            using var first = Start(0);
            var result = first.End().Succeeded().Json;
            Assert.Equal(5, result.GetProperty("steps").GetInt64());
            Assert.Empty(other.End().Succeeded().Output);
        }
        finally
        {
            foreach (var name in names)
                Process.Start("ip", ["netns", "delete", name]).WaitForExit();
        }
    }

    private static void Ip(params string[] arguments)
    {
        using var process = Process.Start(new ProcessStartInfo("ip", arguments) { RedirectStandardError = true })!;
        var error = process.StandardError.ReadToEnd();
        process.WaitForExit();
        Assert.True(process.ExitCode == 0, $"ip {string.Join(' ', arguments)}: {error}");
    }

    private static Dictionary<string, string> At(int rank, int port) =>
        new()
        {
            ["RANK"] = $"{rank}",
            ["LOCAL_RANK"] = $"{rank}",
            ["WORLD_SIZE"] = "2",
            ["LOCAL_WORLD_SIZE"] = "2",
            ["MASTER_ADDR"] = "127.0.0.1",
            ["MASTER_PORT"] = $"{port}",
            ["TESSERA_TIMEOUT"] = "30",
        };

    private static int FreePort()
    {
        using var listener = new TcpListener(IPAddress.Loopback, 0);
        listener.Start();
        return ((IPEndPoint)listener.LocalEndpoint).Port;
    }

    [Theory]
    [InlineData("-n 0", "-n must be 1 to 1024, not 0")]
    [InlineData("-n 2 --port 70000", "--port must be 1 to 65534, not 70000")]
    public void Numbers_that_make_no_sense_are_refused(string options, string message) =>
        Assert.Contains(message, place.Run(["launch", .. options.Split(' '), "train"]).UserError(), StringComparison.Ordinal);

    [Fact]
    public void Only_training_is_launched() =>
        Assert.Contains(
            "launch can only run train, not models",
            place.Run("launch", "-n", "2", "models").UserError(),
            StringComparison.Ordinal
        );
}

/// <summary>A test that makes network namespaces.</summary>
internal sealed class RootFactAttribute : FactAttribute
{
    public RootFactAttribute()
    {
        if (!Environment.IsPrivilegedProcess)
            Skip = "network namespaces need root";
        else if (!Makes())
            Skip = "network namespaces cannot be made here (ip netns add)";
    }

    private static bool Makes()
    {
        var name = $"tessera-try-{Environment.ProcessId}";
        try
        {
            using var add = Process.Start(new ProcessStartInfo("ip", ["netns", "add", name]) { RedirectStandardError = true })!;
            add.WaitForExit();
            if (add.ExitCode != 0)
                return false;
            using var delete = Process.Start("ip", ["netns", "delete", name]);
            delete.WaitForExit();
            return true;
        }
        catch (System.ComponentModel.Win32Exception)
        {
            return false;
        }
    }
}
