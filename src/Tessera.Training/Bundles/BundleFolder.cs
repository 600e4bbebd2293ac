using System.Security.Cryptography;
using System.Text.Json;
using System.Text.Json.Nodes;
using System.Text.Json.Serialization;
using Tessera.Data.Imaging;
using Tessera.Data.Transforms;
using Tessera.Models;
using Tessera.Training.Recipes;
using Tessera.Training.Runs;
using Tessera.Training.Tasks;

namespace Tessera.Training.Bundles;

/// <summary>What a bundle says of its model, beside the weights.</summary>
/// <param name="Model">What the model is built from.</param>
/// <param name="Task">What it is for.</param>
/// <param name="Facts">What it knows of its data: classes, sizes, normalisation.</param>
/// <param name="Preprocessing">What happens to samples before the model.</param>
/// <param name="Precision">Type of products that it was trained in.</param>
/// <param name="TrainedClassifier">Whether its classifier was trained; false after pre-training without one.</param>
public sealed record BundleContent(
    ModelSpec Model,
    TaskKind Task,
    DataFacts Facts,
    EvaluationTransforms Preprocessing,
    Precision Precision,
    bool TrainedClassifier = true
);

/// <summary>Weights in a bundle.</summary>
/// <param name="Role"><c>last</c>, or <c>best</c> by the primary score.</param>
/// <param name="Average">Whether they are the moving average of the weights.</param>
/// <param name="File">Name of the safetensors file.</param>
/// <param name="Bytes">Its length.</param>
/// <param name="Sha256">Its checksum, in lower-case hexadecimal.</param>
/// <param name="Step">Steps of the training.</param>
/// <param name="Score">Primary score at that step; null where it was not measured.</param>
internal sealed record BundleWeights(string Role, bool Average, string File, long Bytes, string Sha256, long Step, PrimaryScore? Score);

/// <summary>
/// The folder of a bundle: <c>bundle.json</c> and safetensors files, which hold everything that a program needs to use a model. The format
/// has a version, which changes with its meaning.
/// </summary>
/// <param name="folder">The folder.</param>
internal sealed class BundleFolder(string folder)
{
    private const string Format = "tessera-bundle";
    private const int Version = 1;
    private const string FileName = "bundle.json";
    private const string Best = "best",
        Last = "last";
    private const string Trained = "trained",
        Untrained = "untrained";

    // What is missing, null or unknown is refused: a model must not be used with half of what was said of it.
    private static readonly JsonSerializerOptions json = new()
    {
        PropertyNamingPolicy = JsonNamingPolicy.SnakeCaseLower,
        WriteIndented = true,
        RespectRequiredConstructorParameters = true,
        RespectNullableAnnotations = true,
        UnmappedMemberHandling = JsonUnmappedMemberHandling.Disallow,
    };

    /// <summary>The folder.</summary>
    public string Path { get; } = System.IO.Path.GetFullPath(folder);

    internal string JsonPath => System.IO.Path.Combine(Path, FileName);

    /// <summary>Whether there is a bundle.</summary>
    public bool Exists => File.Exists(JsonPath);

    /// <summary>The bundle of a folder, which is that of a run or the bundle itself.</summary>
    /// <exception cref="RunException">There is none.</exception>
    public static BundleFolder Find(string folder)
    {
        var own = new BundleFolder(folder);
        if (own.Exists)
            return own;
        var run = new RunFolder(folder);
        var ofRun = new BundleFolder(run.BundlePath);
        if (ofRun.Exists)
            return ofRun;
        throw new RunException(
            run.Exists
                ? $"{folder}: the run has no bundle yet ({ofRun.JsonPath} is missing): tessera train --resume {folder} writes one"
                : $"{folder}: there is neither a run (no {System.IO.Path.GetFileName(run.RecipePath)}) nor a bundle (no {FileName})"
        );
    }

    /// <summary>
    /// The share of samples that the newest weights of a classifier had right; null where that was not measured, or is not known.
    /// </summary>
    internal double? Accuracy =>
        Read().Weights.FirstOrDefault(one => one is { Role: Last, Average: false })?.Score is { Name: "top1" } score ? score.Value : null;

    /// <summary>Writes the bundle of a run: the newest weights and the best. Files of earlier ones are deleted last.</summary>
    /// <param name="content">What is said of the model.</param>
    /// <param name="checkpoints">Where the weights come from.</param>
    internal void Write(BundleContent content, CheckpointStore checkpoints)
    {
        Directory.CreateDirectory(Path);
        List<BundleWeights> weights = [];
        if (checkpoints.All is [var newest, ..])
            weights.AddRange(Take(Last, newest));
        if (checkpoints.BestPath is { } best)
            weights.AddRange(Take(Best, best));
        WriteJson(content, weights);
        var kept = weights.Select(entry => entry.File).Append(FileName).ToHashSet(StringComparer.Ordinal);
        foreach (var file in Directory.EnumerateFiles(Path))
            if (!kept.Contains(System.IO.Path.GetFileName(file)))
                File.Delete(file);
    }

    /// <summary>Writes a bundle of its own, which belongs to no run: whole or not at all.</summary>
    /// <param name="content">What is said of the model.</param>
    /// <param name="weights">Its state.</param>
    /// <exception cref="RunException">There is something in the folder.</exception>
    internal void Write(BundleContent content, IReadOnlyDictionary<string, Tensor> weights)
    {
        if (File.Exists(Path) || (Directory.Exists(Path) && Directory.EnumerateFileSystemEntries(Path).Any()))
            throw new RunException($"{Path} is there already and not empty: choose another folder for the bundle, or delete it first");
        var building = new BundleFolder($"{Path}.{Guid.NewGuid():N}.tmp");
        Directory.CreateDirectory(building.Path);
        try
        {
            var file = System.IO.Path.Combine(building.Path, "model.safetensors");
            TensorFile.Save(file, weights);
            using (var stream = File.OpenRead(file))
                building.WriteJson(
                    content,
                    [new(Last, false, "model.safetensors", stream.Length, Convert.ToHexStringLower(SHA256.HashData(stream)), 0, null)]
                );
            if (Directory.Exists(Path))
                Directory.Delete(Path);
            Directory.Move(building.Path, Path);
        }
        catch
        {
            Directory.Delete(building.Path, recursive: true);
            throw;
        }
    }

    private void WriteJson(BundleContent content, IReadOnlyList<BundleWeights> weights)
    {
        var root = new JsonObject
        {
            ["format"] = Format,
            ["version"] = Version,
            ["model"] = JsonSerializer.SerializeToNode(ModelEntry.Of(content), json),
            ["task"] = RecipeJson.Write(content.Task),
            ["data"] = JsonSerializer.SerializeToNode(content.Facts, content.Task.FactsType, json),
            ["preprocessing"] = new JsonObject
            {
                ["transforms"] = RecipeJson.Write(content.Preprocessing.Given),
                ["crop_ratio"] = content.Preprocessing.CropRatio,
                ["interpolation"] = RecipeJson.Write(content.Preprocessing.Interpolation),
            },
            ["precision"] = RecipeJson.Write(content.Precision),
            ["classifier"] = content.TrainedClassifier ? Trained : Untrained,
            ["weights"] = JsonSerializer.SerializeToNode(weights, json),
        };
        RunFolder.Write(JsonPath, root.ToJsonString(json));
    }

    // The file of a checkpoint never changes: a second name for it costs no space.
    private IEnumerable<BundleWeights> Take(string role, string checkpoint)
    {
        var (position, files) = CheckpointStore.Describe(checkpoint);
        foreach (var (name, average) in new[] { ("model", false), ("ema", true) })
        {
            if (!files.TryGetValue($"{name}.safetensors", out var entry))
                continue;
            var file = System.FormattableString.Invariant($"{name}-{position.Step:D8}.safetensors");
            var target = System.IO.Path.Combine(Path, file);
            var source = System.IO.Path.Combine(checkpoint, $"{name}.safetensors");
            if (!File.Exists(target) || !IsWhole(target, entry.Bytes, entry.Sha256))
                FileLink.Create(source, target);
            yield return new(role, average, file, entry.Bytes, entry.Sha256, position.Step, position.Score);
        }
    }

    /// <summary>What the bundle says, and its weights.</summary>
    /// <exception cref="RunException">It is damaged, or of another format.</exception>
    public (BundleContent Content, IReadOnlyList<BundleWeights> Weights) Read()
    {
        try
        {
            var root =
                JsonNode.Parse(File.ReadAllBytes(JsonPath), documentOptions: new() { AllowDuplicateProperties = false }) as JsonObject
                ?? throw new JsonException("an object was expected");
            if ((string?)root["format"] != Format)
                throw new JsonException($"its format must be {Format}");
            if ((int?)root["version"] != Version)
                throw new JsonException($"it is of version {root["version"]}, and this program reads version {Version}");
            var model = root["model"].Deserialize<ModelEntry>(json) ?? throw new JsonException("model is missing");
            var task = RecipeException.Reading(() => RecipeBinder.Bind<TaskKind>(RecipeJson.Read(root["task"], $"{JsonPath}: task")));
            var facts = (DataFacts?)root["data"].Deserialize(task.FactsType, json) ?? throw new JsonException("data is missing");
            var preparation = root["preprocessing"] as JsonObject ?? throw new JsonException("preprocessing is missing");
            var transforms = preparation["transforms"] is { } given
                ? (IReadOnlyList<Transform>)
                    RecipeException.Reading(() =>
                        RecipeBinder.Bind(typeof(IReadOnlyList<Transform>), RecipeJson.Read(given, JsonPath), "transforms")!
                    )
                : null;
            var precision = RecipeBinder.Bind<Precision>(RecipeJson.Read(root["precision"], $"{JsonPath}: precision"));
            var weights = root["weights"].Deserialize<BundleWeights[]>(json) ?? throw new JsonException("weights are missing");
            var crop = (double?)preparation["crop_ratio"] ?? throw new JsonException("preprocessing.crop_ratio is missing");
            // Bundles from before the field were measured this way.
            var interpolation = preparation["interpolation"] is { } filter
                ? RecipeBinder.Bind<Interpolation>(RecipeJson.Read(filter, $"{JsonPath}: preprocessing.interpolation"))
                : Interpolation.Bicubic;
            var trained = (string?)root["classifier"] switch
            {
                Trained => true,
                Untrained => false,
                var other => throw new JsonException($"classifier must be {Trained} or {Untrained}, not {other ?? "missing"}"),
            };
            return (
                new(
                    new(
                        model.Name,
                        model.Options,
                        Part<HeadOptions>(model.Head, "head"),
                        Part<GeneratorOptions>(model.Generator, "generator"),
                        Part<ArchitectureOptions>(model.Architecture, "architecture")
                    ),
                    task,
                    facts,
                    new(transforms, crop, interpolation),
                    precision,
                    trained
                ),
                weights
            );
        }
        // The last is what facts throw that check themselves.
        catch (Exception error)
            when (error is IOException or JsonException or InvalidOperationException or FormatException or ArgumentException)
        {
            throw new RunException($"{JsonPath}: {error.Message.ReplaceLineEndings(" ")}");
        }
        catch (RecipeException error)
        {
            // It names the file already.
            throw new RunException(error.Message);
        }
    }

    /// <summary>The path of weights, after their checksum was compared.</summary>
    /// <param name="weights">Of <see cref="Read"/>.</param>
    /// <param name="best">The best by the primary score instead of the newest.</param>
    /// <param name="ema">The moving average of the weights.</param>
    /// <exception cref="RunException">There are no such weights, or the file is missing or damaged.</exception>
    public string WeightsPath(IReadOnlyList<BundleWeights> weights, bool best = false, bool ema = false)
    {
        if (weights.Count == 0)
            throw new RunException($"{Path}: there are no weights yet: the run has no checkpoint");
        var entry = weights.FirstOrDefault(one => one.Role == (best ? Best : Last) && one.Average == ema);
        if (entry is null)
            throw new RunException(
                ema && weights.All(one => !one.Average)
                    ? $"{Path}: there is no moving average of the weights (train.ema)"
                    : $"{Path}: there are no best weights: nothing was measured yet"
            );
        var path = System.IO.Path.Combine(Path, System.IO.Path.GetFileName(entry.File));
        if (!File.Exists(path))
            throw new RunException($"{path}: the file is missing, although {FileName} names it");
        return IsWhole(path, entry.Bytes, entry.Sha256)
            ? path
            : throw new RunException($"{path}: the file is damaged: its length or SHA-256 is not that in {FileName}");
    }

    private static bool IsWhole(string path, long bytes, string sha256)
    {
        using var stream = File.OpenRead(path);
        return stream.Length == bytes && Convert.ToHexStringLower(SHA256.HashData(stream)) == sha256;
    }

    private T? Part<T>(JsonNode? node, string field)
        where T : class =>
        node is null ? null : RecipeException.Reading(() => RecipeBinder.Bind<T>(RecipeJson.Read(node, $"{JsonPath}: model.{field}")));

    // What a model is built with; null takes the variant's own.
    private sealed record ModelEntry(
        string Name,
        int? Classes,
        int? Channels,
        IReadOnlyList<int>? ImageSize,
        int? Vocabulary,
        // Of a model with a head for another task, of one that makes images, and of a search space; others have none of the fields.
        [property: JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)] JsonNode? Head = null,
        [property: JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)] JsonNode? Generator = null,
        [property: JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)] JsonNode? Architecture = null
    )
    {
        internal static ModelEntry Of(BundleContent content) =>
            new(
                content.Model.Name,
                content.Model.Options.Classes,
                content.Model.Options.Channels,
                content.Model.Options.ImageSize is var (height, width) ? [height, width] : null,
                content.Model.Options.Vocabulary,
                RecipeJson.Write(content.Model.Head),
                RecipeJson.Write(content.Model.Generator),
                RecipeJson.Write(content.Model.Architecture)
            );

        internal ModelOptions Options =>
            new()
            {
                Classes = Classes,
                Channels = Channels,
                ImageSize = ImageSize is [var height, var width] ? (height, width) : null,
                Vocabulary = Vocabulary,
            };
    }
}
