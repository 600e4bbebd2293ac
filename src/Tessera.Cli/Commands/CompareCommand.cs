using System.CommandLine;
using System.Text;
using System.Text.Json;
using Tessera.Cli.Comparison;
using Tessera.Cli.Machine;
using Tessera.Cli.Rendering;
using Tessera.Models;
using Tessera.Models.Measurement;
using Tessera.Training;
using Tessera.Training.Loop;
using Tessera.Training.Reports;

namespace Tessera.Cli.Commands;

/// <summary><c>tessera compare</c>: models under one configuration, in a table, a file for spreadsheets, a page with the Pareto front.</summary>
internal static class CompareCommand
{
    private static readonly Argument<string[]> Models = new("models")
    {
        HelpName = "models",
        Description = "Names, parts of names or patterns with * and ?; none with --operators.",
        Arity = ArgumentArity.ZeroOrMore,
        CompletionSources = { _ => Registry.All.Select(variant => new System.CommandLine.Completions.CompletionItem(variant.Name)) },
    };

    private static readonly Option<int?> ImageSide = Number(
        "--size",
        "Side of the images of all models; by default each model's own, or the data's with --train."
    );
    private static readonly Option<int> Batch = new("--batch")
    {
        Description = "Images at a time for throughput and memory.",
        HelpName = "images",
        DefaultValueFactory = _ => 8,
    };
    private static readonly Option<int> Runs = new("--runs")
    {
        Description = "Runs that a median is taken of, at most.",
        HelpName = "number",
        DefaultValueFactory = _ => 30,
    };
    private static readonly Option<double> Seconds = new("--seconds")
    {
        Description = "Time for the runs of a batch size; three are done in any case.",
        HelpName = "seconds",
        DefaultValueFactory = _ => 5,
    };
    private static readonly Option<bool> Mixed = new("--bf16") { Description = "Products in bfloat16 instead of float32." };
    private static readonly Option<bool> CountOnly = new("--count")
    {
        Description = "Count parameters, operations and activations, and measure nothing.",
    };
    private static readonly Option<string?> Train = new("--train")
    {
        Description = "Train every model by this recipe and show the accuracy that it reached.",
        HelpName = "recipe",
    };
    private static readonly Option<string[]> Set = new("--set")
    {
        Description = "Set a field of the recipe; may be given several times.",
        HelpName = "field=value",
        DefaultValueFactory = _ => [],
    };
    private static readonly Option<string?> Out = new("--out")
    {
        Description = "Folder of the runs of --train, a run per model; begun ones go on. compare/<recipe> by default.",
        HelpName = "folder",
    };
    private static readonly Option<int[]> Resolutions = new("--resolutions")
    {
        Description = "Count, and measure the receptive field by gradients, at these sides instead: 192,224,256.",
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
                result.AddError("--resolutions takes sides in pixels with commas between them, as in 192,224,256");
            return sides;
        },
    };
    private static readonly Option<OperatorSizes[]> Operators = new("--operators")
    {
        Description = "Instead of models, what the ways to mix positions cost on maps of height x width x channels: 14x14x384,28x28x128.",
        HelpName = "maps",
        CustomParser = result =>
        {
            var maps = result.Tokens.Select(token => OperatorTable.Parse(token.Value)).ToArray();
            if (maps.Contains(null))
                result.AddError(
                    "--operators takes maps of height x width x channels with commas between them, as in 14x14x384,28x28x128, with sides up to 1024"
                );
            return [.. maps.SelectMany(some => some ?? [])];
        },
    };
    private static readonly Option<string?> CsvFile = new("--csv")
    {
        Description = "Also write the table for spreadsheets.",
        HelpName = "file",
    };
    private static readonly Option<string?> HtmlFile = new("--html")
    {
        Description = "Also write a page with accuracy over operations and over speed.",
        HelpName = "file",
    };
    private static readonly Option<string> DeviceName = ModelLoading.DeviceOption();
    private static readonly Option<string?> Alone = new(MeasuringProcess.Option) { Hidden = true };

    internal static Command Create()
    {
        var command = new ExampleCommand(
            "compare",
            "Put models side by side under one configuration: costs, speed, memory, published accuracy, and what they reach under one recipe."
        )
        {
            Examples =
            [
                (
                    "tessera compare deit_tiny_patch16_224 resnet18 pvt_tiny",
                    "speed and memory beside counts, every model in a process of its own"
                ),
                (
                    "tessera compare 'swin_*_224' --count --html swin.html",
                    "nothing is measured: counts and published accuracy, with pictures"
                ),
                (
                    "tessera compare cct_2_3x2_32 resnet20_cifar swin_micro_patch2_window4_32 --train cct/cct_2_3x2_cifar10 --set schedule.epochs=10",
                    "the same recipe for all"
                ),
                (
                    "tessera compare mixer_s16_224 cyclemlp_b1 deit_tiny_patch16_224 --resolutions 192,224,256",
                    "growth of costs and receptive field with the image"
                ),
                (
                    "tessera compare --operators 14x14x384,28x28x128,56x56x64",
                    "convolution, attention and the operators of vision MLPs: traits, weights, operations, growth with the map"
                ),
                ("tessera compare 'vit_*_224' --csv vit.csv --quiet", "for a spreadsheet"),
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
                    result.AddError($"{positive.Name} takes a number above 0, not {value}");
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
            throw new UserException("name models to compare, or maps with --operators; see tessera compare --help");
        var variants = Find(patterns);
        if (parsed.GetValue(Set)!.Length > 0 && parsed.GetValue(Train) is null)
            throw new UserException("--set is for the recipe of --train");
        using var interruption = new Interruption(() => terminal.Note("stopping; what is done is shown"));
        var comparison = parsed.GetValue(Resolutions) is { Length: > 0 } sides
            ? new ModelComparison(
                [("counted at", $"sides of {string.Join(", ", sides)} pixels"), .. Convention],
                [],
                [.. Over(variants, sides, terminal, interruption.Token)]
            )
            : Compare(parsed, variants, terminal, interruption.Token);
        Write(parsed, comparison, terminal);
        return interruption.Token.IsCancellationRequested ? ExitCode.Interrupted : ExitCode.Success;
    }

    private static int Compare(ParseResult parsed, OperatorSizes[] maps, Terminal terminal)
    {
        if (parsed.GetRequiredValue(Models).Length > 0 || parsed.GetValue(HtmlFile) is not null)
            throw new UserException("--operators compares operators on maps: it takes neither models nor --html");
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
        ("operations", "multiply-accumulates counted once, products of attention included; norms, activations and softmax not"),
        (
            "receptive field",
            "pixels with a gradient from the middle position of the last map, random weights; global gates and statistics of norms held fixed"
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
                [.. parsed.GetValue(Set)!, .. side is { } own ? [$"model.image_size=[{own}]"] : Array.Empty<string>()],
                parsed.GetValue(Out) ?? Path.Combine("compare", Path.GetFileNameWithoutExtension(recipe))
            );
        var options = new MeasurementOptions(
            side is { } given ? [given] : null,
            null,
            null,
            parsed.GetValue(Batch),
            parsed.GetValue(Runs),
            TimeSpan.FromSeconds(parsed.GetValue(Seconds)),
            parsed.GetRequiredValue(DeviceName),
            parsed.GetValue(Mixed),
            Environment.ProcessorCount,
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
        (string, string)[] facts =
        [
            (
                "size of images",
                side is { } all ? $"{all} pixels"
                : recipe is null ? "each model's own"
                : "the data's"
            ),
            .. recipe is null ? Array.Empty<(string, string)>() : [("trained by", string.Join(' ', [recipe, .. parsed.GetValue(Set)!]))],
            .. options.Speed
                ?
                [
                    (
                        "speed and memory",
                        $"batch of {options.Batch}, {(options.Mixed ? "bfloat16" : "float32")}, {(options.Device == "cpu" ? $"{options.Threads} threads" : options.Device)}, medians of at most {options.Runs} runs, libtorch {Torch.Version}; a process per model"
                    ),
                ]
                : Array.Empty<(string, string)>(),
            Convention[0],
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
        // What is published does not depend on what can be measured here.
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
                var (summary, model) = training.Train(variant.Name, terminal, stop);
                row = row with
                {
                    Top1 = summary.Last,
                    BestTop1 = summary.Best,
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
            // One model that cannot follow shall not cost the others.
            terminal.Note($"{variant.Name}: {error.Message}");
            return row with { Deviation = error.Message };
        }
    }

    private static double? Rounded(double? value) => value is { } v ? Math.Round(v, 2) : null;

    // Papers name architectures; titles are long, and sizes of one have the same.
    private static string Architecture(Variant variant) => variant.Paper;

    private static IEnumerable<ResolutionRow> Over(Variant[] variants, int[] sides, Terminal terminal, CancellationToken stop)
    {
        Torch.Threads = Environment.ProcessorCount;
        foreach (var variant in variants)
        foreach (var side in sides)
        {
            if (stop.IsCancellationRequested)
                yield break;
            terminal.Note($"{variant.Name} at {side}");
            yield return At(variant, side, terminal);
        }
    }

    private static ResolutionRow At(Variant variant, int side, Terminal terminal)
    {
        var row = new ResolutionRow(variant.Name, [side, side]);
        try
        {
            using var scope = new Scope();
            var model = variant.Create(new() { ImageSize = (side, side) });
            if (!model.TakesImages)
                return row with { Deviation = "it reads texts" };
            var cost = ModelCost.Count(model);
            var field = ReceptiveField.Measure(model, side, side)[^1];
            return row with
            {
                Parameters = cost.Parameters,
                Macs = cost.Macs,
                Activations = cost.Activations,
                ReceptivePixels = field.Pixels,
                ReceptiveBox = [field.Height, field.Width],
                ReceptiveShare = Math.Round(field.Share, 6),
            };
        }
        catch (Exception error) when (error is ShapeException or ArgumentException or TorchException)
        {
            terminal.Note($"{variant.Name} at {side}: {error.Message}");
            return row with { Deviation = error.Message };
        }
    }

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
        ComparisonTable.Sheet(comparison).Show(terminal);
        foreach (
            var (name, value) in comparison.Configuration.Where(fact => comparison.Resolutions.Count > 0 || fact.Name != "receptive field")
        )
            terminal.Note($"{name}: {value}");
        if (
            Environment.GetEnvironmentVariable("OPENBLAS_CORETYPE") is { Length: > 0 } core
            && comparison.Rows.Any(row => row.ImagesPerSecond is not null)
        )
            terminal.Note(Advice.CoreType(core));
        foreach (var file in new[] { parsed.GetValue(CsvFile), parsed.GetValue(HtmlFile) }.Where(file => file is not null))
            terminal.Note($"file  {file}");
    }
}
