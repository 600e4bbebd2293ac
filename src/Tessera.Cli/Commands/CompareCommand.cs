using System.CommandLine;
using System.Text;
using System.Text.Json;
using Tessera.Cli.Comparison;
using Tessera.Cli.Inputs;
using Tessera.Cli.Machine;
using Tessera.Cli.Rendering;
using Tessera.Cli.Shell;
using Tessera.Models;
using Tessera.Models.Measurement;
using Tessera.Training;
using Tessera.Training.Loop;
using Tessera.Training.Reports;

namespace Tessera.Cli.Commands;

/// <summary><c>tessera compare</c>: models under one configuration as a table, a CSV file or a page with the Pareto front.</summary>
internal static class CompareCommand
{
    private static readonly Argument<string[]> Models = new("models")
    {
        HelpName = "models",
        Description = "Model names, parts of names, or patterns with * and ?; leave them out with --operators.",
        Arity = ArgumentArity.ZeroOrMore,
        CompletionSources = { _ => Registry.All.Select(variant => new System.CommandLine.Completions.CompletionItem(variant.Name)) },
    };

    private static readonly Option<int?> ImageSide = Number(
        "--size",
        "Image side for all models; by default each model's own, or the data's with --train."
    );
    private static readonly Option<int> Batch = new("--batch")
    {
        Description = "Batch size for throughput and memory.",
        HelpName = "images",
        DefaultValueFactory = _ => 8,
    };
    private static readonly Option<int> Runs = new("--runs")
    {
        Description = "Largest number of runs per median.",
        HelpName = "number",
        DefaultValueFactory = _ => 30,
    };
    private static readonly Option<double> Seconds = new("--seconds")
    {
        Description = "Time limit for the runs of a batch size; at least three runs are done.",
        HelpName = "seconds",
        DefaultValueFactory = _ => 5,
    };
    private static readonly Option<bool> Mixed = new("--bf16") { Description = "Compute matrix products in bfloat16 instead of float32." };
    private static readonly Option<bool> CountOnly = new("--count") { Description = "Only count parameters, operations and activations." };
    private static readonly Option<string?> Train = new("--train")
    {
        Description = "Train every model with this recipe and show its accuracy.",
        HelpName = "recipe",
    };
    private static readonly Option<string[]> Set = new("--set")
    {
        Description = "Set a field of the recipe; can be repeated.",
        HelpName = "field=value",
        DefaultValueFactory = _ => [],
    };
    private static readonly Option<string?> Out = new("--out")
    {
        Description = "Folder of the runs of --train, one per model; existing runs are resumed. compare/<recipe> by default.",
        HelpName = "folder",
    };
    private static readonly Option<int[]> Resolutions = new("--resolutions")
    {
        Description = "Instead, count and measure the receptive field at these image sides: 192,224,256.",
        HelpName = "sides",
        CustomParser = result =>
        {
            int[] sides =
            [
                .. result
                    .Tokens.SelectMany(token => token.Value.Split(','))
                    .Select(text => int.TryParse(text, out var side) && side > 0 ? side : 0),
            ];
            if (sides.Contains(0))
                result.AddError("--resolutions must be sides in pixels separated by commas, as in 192,224,256");
            return sides;
        },
    };
    private static readonly Option<OperatorSizes[]> Operators = new("--operators")
    {
        Description = "Instead of models, compare token mixers on maps of height x width x channels: 14x14x384,28x28x128.",
        HelpName = "maps",
        CustomParser = result =>
        {
            var maps = result.Tokens.Select(token => OperatorTable.Parse(token.Value)).ToArray();
            if (maps.Contains(null))
                result.AddError(
                    "--operators must be maps of height x width x channels separated by commas, as in 14x14x384,28x28x128; "
                        + "sides must be at most 1024"
                );
            return [.. maps.SelectMany(some => some ?? [])];
        },
    };
    private static readonly Option<string?> CsvFile = new("--csv") { Description = "Also write the table as CSV.", HelpName = "file" };
    private static readonly Option<string?> HtmlFile = new("--html")
    {
        Description = "Also write an HTML page that plots accuracy over operations and speed.",
        HelpName = "file",
    };
    private static readonly Option<string> DeviceName = ModelLoading.DeviceOption();
    private static readonly Option<string?> Alone = new(MeasuringProcess.Option) { Hidden = true };

    internal static Command Create()
    {
        var command = new ExampleCommand(
            "compare",
            "Compare models under one configuration: cost, speed, memory, published accuracy, and accuracy under one recipe."
        )
        {
            Examples =
            [
                ("tessera compare deit_tiny_patch16_224 resnet18 pvt_tiny", "count and measure, each model in its own process"),
                ("tessera compare 'swin_*_224' --count --html swin.html", "only count, and plot the published accuracy"),
                (
                    "tessera compare cct_2_3x2_32 resnet20_cifar --train cct/cct_2_3x2_cifar10 --set schedule.epochs=10",
                    "train all models with one recipe"
                ),
                (
                    "tessera compare mixer_s16_224 cyclemlp_b1 deit_tiny_patch16_224 --resolutions 192,224,256",
                    "show how cost and receptive field grow with the image"
                ),
                (
                    "tessera compare --operators 14x14x384,28x28x128,56x56x64",
                    "compare convolution, attention and the operators of vision MLPs"
                ),
                ("tessera compare 'vit_*_224' --csv vit.csv --quiet", "write a spreadsheet"),
            ],
            Arguments = { Models },
            Options =
            {
                ImageSide,
                Batch,
                Runs,
                Seconds,
                Mixed,
                CountOnly,
                Train,
                Set,
                Out,
                Resolutions,
                Operators,
                CsvFile,
                HtmlFile,
                DeviceName,
                Alone,
            },
        };
        foreach (var positive in new Option[] { ImageSide, Batch, Runs })
            positive.Validators.Add(result =>
            {
                if (result.Tokens is [var token, ..] && int.TryParse(token.Value, out var value) && value < 1)
                    result.AddError($"{positive.Name} must be at least 1, not {value}");
            });
        command.SetAction(Run);
        return command;
    }

    private static Option<int?> Number(string name, string description) => new(name) { Description = description, HelpName = "pixels" };

    private static int Run(ParseResult parsed)
    {
        if (parsed.GetValue(Alone) is { } options)
        {
            var variant = Registry.Get(parsed.GetRequiredValue(Models)[0]);
            Terminal.Result(
                JsonSerializer.Serialize(
                    ModelMeasurement.Of(variant, JsonSerializer.Deserialize<MeasurementOptions>(options, MeasuringProcess.Json)!, default),
                    MeasuringProcess.Json
                )
            );
            return ExitCode.Success;
        }
        var terminal = parsed.Terminal();
        var patterns = parsed.GetRequiredValue(Models);
        if (parsed.GetValue(Operators) is { Length: > 0 } maps)
            return Compare(parsed, maps, terminal);
        if (patterns.Length == 0)
            throw new UserException("compare needs model names, or maps with --operators; see tessera compare --help");
        var variants = Find(patterns);
        if (parsed.GetValue(Set)!.Length > 0 && parsed.GetValue(Train) is null)
            throw new UserException("--set needs --train: it sets fields of that recipe");
        using var interruption = new Interruption(() => terminal.Note("stopping; showing the finished rows"));
        var comparison = parsed.GetValue(Resolutions) is { Length: > 0 } sides
            ? new ModelComparison(
                [("counted at", $"sides of {string.Join(", ", sides)} pixels"), .. Convention],
                [],
                [.. ResolutionRows.Over(variants, sides, terminal, interruption.Token)]
            )
            : Compare(parsed, variants, terminal, interruption.Token);
        Write(parsed, comparison, terminal);
        return interruption.Token.IsCancellationRequested ? ExitCode.Interrupted : ExitCode.Success;
    }

    private static int Compare(ParseResult parsed, OperatorSizes[] maps, Terminal terminal)
    {
        if (parsed.GetRequiredValue(Models).Length > 0 || parsed.GetValue(HtmlFile) is not null)
            throw new UserException("--operators can be combined with neither models nor --html");
        if (parsed.GetValue(CsvFile) is { } csv)
            AtomicFile.Write(csv, Encoding.UTF8.GetBytes(OperatorTable.ToCsv(maps)));
        if (terminal.Json)
        {
            Terminal.WriteJson(OperatorTable.ToJson(maps));
            return ExitCode.Success;
        }
        if (!terminal.Quiet)
            OperatorTable.Traits().Show(terminal);
        OperatorTable.Costs(maps).Show(terminal);
        foreach (var (name, value) in OperatorTable.Convention)
            terminal.Note($"{name}: {value}");
        return ExitCode.Success;
    }

    private static readonly (string, string)[] Convention =
    [
        ("operations", "multiply-accumulates, each counted once, with the products of attention; without norms, activations and softmax"),
        (
            "receptive field",
            "pixels with a gradient from the middle of the last map, with random weights; global gates and norm statistics held fixed"
        ),
    ];

    private static Variant[] Find(string[] patterns) =>
        [
            .. patterns
                .SelectMany(pattern =>
                {
                    // A full name means that model, even where it is a part of others' names.
                    Variant[] found = Registry.All.Where(v => v.Name == pattern).ToArray() is { Length: > 0 } exact
                        ? exact
                        : [.. Registry.Find(pattern)];
                    if (found.Length > 0)
                        return found;
                    var nearest = Spelling.Nearest(pattern.Trim('*', '?'), Registry.All.Select(v => v.Name)).Take(3);
                    throw new UserException($"no model matches '{pattern}'; the nearest names are {string.Join(", ", nearest)}");
                })
                .DistinctBy(v => v.Name),
        ];

    private static ModelComparison Compare(ParseResult parsed, Variant[] variants, Terminal terminal, CancellationToken stop)
    {
        var side = parsed.GetValue(ImageSide);
        var recipe = parsed.GetValue(Train) is { } name ? RecipeFinder.Find(name) : null;
        var training = recipe is null
            ? null
            : new TrainedRows(
                recipe,
                [
                    .. parsed.GetValue(Set)!,
                    .. side is { } own ? [$"{TrainedRows.PartOf(recipe)}.image_size=[{own}]"] : Array.Empty<string>(),
                ],
                parsed.GetValue(Out) ?? Path.Combine("compare", Path.GetFileNameWithoutExtension(recipe))
            );
        var underHead = recipe is not null && TrainedRows.PartOf(recipe) != TrainedRows.Model;
        var options = new MeasurementOptions(
            side is { } given ? [given] : null,
            null,
            null,
            parsed.GetValue(Batch),
            parsed.GetValue(Runs),
            TimeSpan.FromSeconds(parsed.GetValue(Seconds)),
            parsed.GetRequiredValue(DeviceName),
            parsed.GetValue(Mixed),
            ThreadLimit.Here.Count,
            !parsed.GetValue(CountOnly)
        );
        training?.Check(variants.Select(variant => variant.Name));
        List<ModelRow> rows = [];
        foreach (var (i, variant) in variants.Index())
        {
            if (stop.IsCancellationRequested)
                break;
            terminal.Note($"{i + 1}/{variants.Length}  {variant.Name}");
            try
            {
                rows.Add(Row(variant, options, training, terminal, stop));
            }
            catch (OperationCanceledException) when (stop.IsCancellationRequested)
            {
                break;
            }
        }
        var place = options.Device == "cpu" ? $"{options.Threads} threads" : options.Device;
        (string, string)[] facts =
        [
            (
                "image size",
                side is { } all ? $"{all} pixels"
                : recipe is null ? "each model's own"
                : "the data's"
            ),
            .. recipe is null ? Array.Empty<(string, string)>() : [("trained with", string.Join(' ', [recipe, .. parsed.GetValue(Set)!]))],
            .. options.Speed
                ?
                [
                    (
                        "speed and memory",
                        $"batch of {options.Batch}, {(options.Mixed ? "bfloat16" : "float32")}, {place}, "
                            + $"medians of at most {options.Runs} runs, libtorch {Torch.Version}; one process per model"
                    ),
                ]
                : Array.Empty<(string, string)>(),
            Convention[0],
            .. underHead
                ?
                [
                    (
                        "cost",
                        "of the backbone alone, with a classifier; whole: with the recipe's head, of a detector up to its maps, "
                            + "without the heads that see single regions"
                    ),
                ]
                : Array.Empty<(string, string)>(),
        ];
        return new(facts, rows, []);
    }

    private static ModelRow Row(
        Variant variant,
        MeasurementOptions options,
        TrainedRows? training,
        Terminal terminal,
        CancellationToken stop
    )
    {
        // Published figures do not depend on the measurement.
        var row = new ModelRow(variant.Name, "", "", [])
        {
            PublishedTop1 = variant.Top1 / 100,
            PublishedOn = variant.Top1 is null ? null : variant.Dataset,
            PublishedSetting = variant.Top1 is null ? null : variant.Note,
        };
        try
        {
            if (training is not null)
            {
                var trained = training.Train(variant.Name, terminal, stop);
                var (summary, model) = (trained.Summary, trained.Options);
                row = row with
                {
                    Score = summary.Last,
                    BestScore = summary.Best,
                    ScoreName = summary.Primary,
                    Further = trained.Further is { Count: > 0 } further ? further : null,
                    WholeParameters = trained.Whole?.Parameters,
                    WholeMacs = trained.Whole?.Macs,
                    TrainSeconds = Math.Round(summary.Seconds, 1),
                    TrainLoss = summary.TrainLoss,
                };
                options = options with
                {
                    ImageSize = model.ImageSize is var (height, width) ? [height, width] : options.ImageSize,
                    Classes = model.Classes,
                    Channels = model.Channels,
                };
            }
            var measured = options.Speed
                ? MeasuringProcess.Measure(variant.Name, options, stop)
                : ModelMeasurement.Of(variant, options, stop);
            return row with
            {
                Architecture = Architecture(variant),
                Form = measured.Levels > 1 ? "pyramid" : "plain",
                ImageSize = measured.ImageSize,
                Parameters = measured.Parameters,
                Macs = measured.Macs,
                AttentionMacs = measured.AttentionMacs,
                Activations = measured.Activations,
                ImagesPerSecondSingle = Rounded(measured.ImagesPerSecondSingle),
                ImagesPerSecond = Rounded(measured.ImagesPerSecond),
                PeakMemory = measured.PeakMemory,
            };
        }
        catch (Exception error)
            when (error
                    is MeasurementException
                        or ShapeException
                        or ArgumentException
                        or TorchException
                        or NonFiniteLossException
                        or OutOfMemoryException
            )
        {
            // A model that fails must not stop the others.
            terminal.Note($"{variant.Name}: {error.Message}");
            return row with { Deviation = error.Message };
        }
    }

    private static double? Rounded(double? value) => value is { } v ? Math.Round(v, 2) : null;

    // Papers name architectures; titles are long, and sizes of one have the same.
    private static string Architecture(Variant variant) => variant.Paper;

    private static void Write(ParseResult parsed, ModelComparison comparison, Terminal terminal)
    {
        if (parsed.GetValue(CsvFile) is { } csv)
            AtomicFile.Write(csv, Encoding.UTF8.GetBytes(ComparisonTable.ToCsv(comparison)));
        if (parsed.GetValue(HtmlFile) is { } html)
            AtomicFile.Write(html, Encoding.UTF8.GetBytes(ModelComparisonPage.Render(comparison)));
        if (terminal.Json)
        {
            Terminal.WriteJson(
                new
                {
                    Configuration = comparison.Configuration.ToDictionary(fact => fact.Name, fact => fact.Value),
                    Models = comparison.Rows,
                    comparison.Resolutions,
                    Csv = parsed.GetValue(CsvFile),
                    Page = parsed.GetValue(HtmlFile),
                }
            );
            return;
        }
        ComparisonTable.Create(comparison).Show(terminal);
        foreach (
            var (name, value) in comparison.Configuration.Where(fact => comparison.Resolutions.Count > 0 || fact.Name != "receptive field")
        )
            terminal.Note($"{name}: {value}");
        if (comparison.Rows.Any(row => row.ImagesPerSecond is not null) && Advice.OfCore() is { } advice)
            terminal.Note(advice);
        foreach (var file in new[] { parsed.GetValue(CsvFile), parsed.GetValue(HtmlFile) }.Where(file => file is not null))
            terminal.Note($"file  {file}");
    }
}
