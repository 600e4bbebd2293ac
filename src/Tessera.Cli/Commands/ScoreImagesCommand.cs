using System.CommandLine;
using Spectre.Console;
using Tessera.Cli.Inputs;
using Tessera.Cli.Rendering;
using Tessera.Cli.Shell;
using Tessera.Training.Generation;

namespace Tessera.Cli.Commands;

/// <summary><c>tessera score-images</c>: compares generated pictures with real ones, without any generator.</summary>
internal static class ScoreImagesCommand
{
    private const int AtATime = 64;
    private const int MostNamed = 8;

    private static readonly Argument<string> Real = new("real")
    {
        HelpName = "folder|data set",
        Description = "Real pictures: a folder, or the name of a data set.",
    };
    private static readonly Argument<string> Generated = new("generated") { HelpName = "folder", Description = "Generated pictures." };
    private static readonly Option<string> Embedding = new("--embedding")
    {
        Description =
            "What pictures are compared by: inception-fid:FILE with the weights pt_inception-2015-12-05, classifier:RUN with a run or a "
            + "bundle that classifies images, or random-conv:SEED for tests of a set-up.",
        HelpName = "name",
        Required = true,
    };
    private static readonly Option<string> Split = new("--split")
    {
        Description = "Split of the data set.",
        HelpName = "name",
        DefaultValueFactory = _ => "train",
    };
    private static readonly Option<string?> Root = new("--root") { Description = "Folder of the data set.", HelpName = "folder" };
    private static readonly Option<int?> Limit = new("--limit")
    {
        Description = "Compare at most this number of pictures of each kind, spread evenly over all.",
        HelpName = "pictures",
    };
    private static readonly Option<bool> AllowFew = new("--allow-few")
    {
        Description = "Measure fewer pictures than the embedding has dimensions too, although the distance of so few is too large.",
    };
    private static readonly Option<int> Splits = new("--splits")
    {
        Description = "Parts of the generated pictures whose scores of predictions are averaged.",
        HelpName = "number",
        DefaultValueFactory = _ => new GenerationEvaluationOptions().Splits,
    };
    private static readonly Option<int> Held = new("--held")
    {
        Description = "Pictures of each kind, at most, that the kernel distance, precision and recall are of.",
        HelpName = "pictures",
        DefaultValueFactory = _ => new GenerationEvaluationOptions().Held,
    };
    private static readonly Option<ulong> Seed = new("--seed") { Description = "Seed of what is drawn.", HelpName = "number" };
    private static readonly Option<string?> Cache = new("--cache")
    {
        Description = "Folder that keeps the features of real pictures for the next time.",
        HelpName = "folder",
    };
    private static readonly Option<string> DeviceName = ModelLoading.DeviceOption();

    internal static Command Create()
    {
        Limit.Validators.Add(result =>
        {
            if (result.GetValueOrDefault<int?>() is < 2)
                result.AddError("--limit must be at least 2");
        });
        Splits.Validators.Add(result =>
        {
            if (result.GetValueOrDefault<int>() < 1)
                result.AddError("--splits must be at least 1");
        });
        Held.Validators.Add(result =>
        {
            if (result.GetValueOrDefault<int>() < 2)
                result.AddError("--held must be at least 2");
        });
        var command = new ExampleCommand(
            "score-images",
            "Compare generated pictures with real ones: FID, Inception Score, KID, precision and recall, or the same by an embedding of your "
                + "own."
        )
        {
            Examples =
            [
                (
                    "tessera score-images photos generated --embedding inception-fid:pt_inception-2015-12-05-6726825d.pth",
                    "measure FID, IS and KID of two folders"
                ),
                ("tessera score-images cifar10 generated --embedding classifier:runs/cifar10", "measure by a classifier of your own"),
                ("tessera score-images photos generated --embedding random-conv:0 --allow-few", "try whether everything is in place"),
                (
                    "tessera score-images photos generated --embedding classifier:runs/mine --json | jq .figures.distance",
                    "print the distance alone"
                ),
            ],
            Arguments = { Real, Generated },
            Options = { Embedding, Split, Root, Limit, AllowFew, Splits, Held, Seed, Cache, DeviceName },
        };
        command.SetAction(Score);
        return command;
    }

    private static int Score(ParseResult parsed)
    {
        var terminal = parsed.Terminal();
        using var interruption = new Interruption();
        var (realName, generatedName) = (parsed.GetRequiredValue(Real), parsed.GetRequiredValue(Generated));
        var limit = parsed.GetValue(Limit);
        var real = Directory.Exists(realName)
            ? PictureSource.OfFolder(realName, limit)
            : PictureSource.OfData(realName, parsed.GetRequiredValue(Split), parsed.GetValue(Root), limit, interruption.Token);
        var generated = PictureSource.OfFolder(
            Directory.Exists(generatedName) ? generatedName : throw new UserException($"{generatedName}: there is no such folder"),
            limit
        );
        Torch.Threads = ThreadLimit.Here.Count;
        var embedding = FeatureEmbedding.Open(parsed.GetRequiredValue(Embedding), Device.Parse(parsed.GetRequiredValue(DeviceName)));
        var comparison = new ImageComparison(
            embedding,
            new()
            {
                AllowFew = parsed.GetValue(AllowFew),
                Splits = parsed.GetValue(Splits),
                Held = parsed.GetValue(Held),
                Seed = parsed.GetValue(Seed),
                Cache = parsed.GetValue(Cache) is { } folder ? new(folder) : null,
            }
        );
        void Gather(Action<string>? told)
        {
            foreach (var (source, isReal) in new[] { (real, true), (generated, false) })
                source.Read(
                    AtATime,
                    batch => comparison.Add(isReal ? batch : null, isReal ? null : batch),
                    done => told?.Invoke($"{source.Name}: {done:N0} of {source.Count:N0}"),
                    interruption.Token
                );
        }
        if (terminal.IsDrawn)
            terminal.Drawing.Status().Start("Comparing ...", status => Gather(text => status.Status = $"Comparing ... {text}"));
        else
            Gather(null);
        var metrics = comparison.Measure();
        Show(terminal, metrics, [real, generated]);
        return real.Unreadable.Count + generated.Unreadable.Count > 0 ? ExitCode.UserError : ExitCode.Success;
    }

    private static void Show(Terminal terminal, GenerationMetrics metrics, PictureSource[] sources)
    {
        foreach (var source in sources.Where(source => source.Unreadable.Count > 0))
        {
            var names = string.Join(", ", source.Unreadable.Take(MostNamed));
            var more = source.Unreadable.Count > MostNamed ? $" and {source.Unreadable.Count - MostNamed} more" : "";
            Errors.WriteLine(
                Console.Error,
                $"{source.Name}: {source.Unreadable.Count} of {source.Count} pictures cannot be read and are left out: {names}{more}"
            );
        }
        if (terminal.Json)
        {
            Terminal.WriteJson(
                new
                {
                    Figures = metrics.Scalars,
                    Evaluation = metrics.ToJson([]),
                    Unreadable = sources.SelectMany(source => source.Unreadable),
                }
            );
            return;
        }
        var table = MetricsTable.Create(metrics.Embedding.Id);
        MetricsTable.AddTo(table, metrics, "generated pictures");
        table.Show(terminal);
        if (terminal.Quiet)
            return;
        foreach (var details in metrics.Tables([]))
        {
            terminal.Heading(details.Title);
            MetricsTable.Of(details).Show(terminal);
        }
    }
}
