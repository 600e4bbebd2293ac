using System.ComponentModel.DataAnnotations;
using Tessera.Data;
using Tessera.Models;

namespace Tessera.Training;

/// <summary>Everything that defines an experiment: one YAML file.</summary>
/// <param name="Model">What is trained.</param>
/// <param name="Data">On what.</param>
/// <param name="Optimizer">How weights change.</param>
/// <param name="Schedule">How long, at which learning rate.</param>
/// <param name="Objective">Towards what.</param>
/// <param name="Augment">What happens to training images, in order.</param>
/// <param name="Evaluation">How it is measured.</param>
/// <param name="Train">Precision, seed, clipping, intervals.</param>
/// <param name="Auxiliary">Terms beside those of the objective.</param>
public sealed record Recipe(
    ModelRecipe Model,
    DataRecipe Data,
    OptimizerOptions Optimizer,
    ScheduleOptions Schedule,
    ObjectiveOptions Objective,
    IReadOnlyList<Transform> Augment,
    EvaluationOptions Evaluation,
    TrainOptions Train,
    IReadOnlyList<AuxiliaryOptions>? Auxiliary = null
)
{
    /// <summary>Terms beside those of the objective.</summary>
    public IReadOnlyList<AuxiliaryOptions> Auxiliary { get; init; } = Auxiliary ?? [];

    /// <summary>Reads a file and sets single fields (<c>optimizer.lr=5e-4</c>).</summary>
    /// <exception cref="RecipeException">The message is one line that names file, line and field.</exception>
    public static Recipe Load(string path, params IEnumerable<string> settings)
    {
        if (!File.Exists(path))
            throw new RecipeException(path, "", "there is no such file");
        return Parse(File.ReadAllText(path), path, settings);
    }

    /// <summary>Reads YAML.</summary>
    /// <param name="yaml">The text.</param>
    /// <param name="file">What messages call it.</param>
    /// <param name="settings">Single fields to be set, as in <c>optimizer.lr=5e-4</c>.</param>
    /// <exception cref="RecipeException">The message is one line that names file, line and field.</exception>
    public static Recipe Parse(string yaml, string file, params IEnumerable<string> settings) =>
        Bind(settings.Aggregate(RecipeReader.Read(yaml, file), RecipeReader.Set));

    internal static Recipe Bind(RecipeMap map)
    {
        var recipe = RecipeBinder.Bind<Recipe>(map);
        if (recipe.Objective.Conflict(recipe) is { } reason)
            throw new RecipeException(map["objective"]?.Place ?? map.Place, "objective", reason);
        if (recipe.Data.OnDevice == OnDevice.True && DeviceBatches.Obstacle(recipe.Augment) is { } obstacle)
            throw new RecipeException(
                (map["data"] as RecipeMap)?["on_device"]?.Place ?? map.Place,
                "data.on_device",
                $"true is not possible with this augment: {obstacle}"
            );
        return recipe;
    }

    /// <summary>Builds the method with its terms for a model.</summary>
    /// <exception cref="RunException">The model has not what they need.</exception>
    public Objective CreateObjective(ObjectiveContext context)
    {
        try
        {
            var main = Objective.Create(context);
            return Auxiliary.Count == 0 ? main : new WithAuxiliaries(main, Auxiliary.Select(term => term.Create(context)));
        }
        catch (ArgumentException error)
        {
            throw new RunException($"{Model.Name} cannot be trained so: {error.Message}");
        }
    }

    /// <summary>What happens to training images. Mixed targets contain the smoothing of the objective.</summary>
    public Pipeline TrainingPipeline()
    {
        var mixes = Augment.Any(transform => transform is Mixup or CutMix) && !Augment.Any(transform => transform is LabelSmoothing);
        return new(mixes && Objective.TargetSmoothing > 0 ? [.. Augment, new LabelSmoothing(Objective.TargetSmoothing)] : Augment)
        {
            ShrinkOnLoad = Data.ShrinkOnLoad,
        };
    }

    /// <summary>What happens to images that a model is measured on, normalised as in training.</summary>
    public Pipeline EvaluationPipeline(Backbone model, DataFacts data)
    {
        if (Evaluation.Transforms is { } given)
            return new(given, data.Normalization);
        var (height, width) = model.ImageSize;
        if ((data.Height, data.Width) == (height, width))
            return new([], data.Normalization);
        var share = Registry.Get(Model.Name).Preprocessing?.CropRatio ?? 0.875;
        return new(
            [
                height == width
                    ? new EvaluationCrop(height, share)
                    : throw new RunException($"images are not of the model's size {height}x{width}: name evaluation.transforms"),
            ],
            data.Normalization
        );
    }

    /// <summary>The recipe with every field, as YAML that reads back to the same.</summary>
    /// <param name="head">Text in front of it.</param>
    /// <param name="absolutePaths">Names files and folders in full, so that it means the same wherever it is read.</param>
    public string ToYaml(string head = "", bool absolutePaths = false) => RecipeWriter.Write(this, head, absolutePaths);
}

/// <summary>Which model.</summary>
/// <param name="Name">In the registry.</param>
/// <param name="Classes">By default as many as the data has.</param>
/// <param name="Channels">By default as many as the data's images have.</param>
/// <param name="ImageSize">Side, or height and width; by default the size of the data's images, where all have the same, else the model's.</param>
/// <param name="Dropout">Rate of dropout; by default the variant's.</param>
/// <param name="DropPath">Rate of stochastic depth; by default the variant's.</param>
/// <param name="AttentionDropout">Rate of dropout of attention weights; by default the variant's.</param>
/// <param name="Weights">What to begin with: a checkpoint, or the folder of a run, of which the newest is taken. A classifier of other classes is left fresh; position tables of another image size are resampled as the model's paper does.</param>
/// <param name="WeightsEma">Takes the moving average of the weights of a run.</param>
/// <param name="NewHead">Whether the classifier is left fresh; by default where its classes are not those of the weights (of a file: where their number differs).</param>
/// <param name="WordVectors">Texts: a file of word vectors to begin with, in GloVe's form.</param>
public sealed record ModelRecipe(
    string Name,
    [Range(1, 1_000_000)] int? Classes = null,
    [Range(1, 1024)] int? Channels = null,
    IReadOnlyList<int>? ImageSize = null,
    [Range(0, 0.999)] double? Dropout = null,
    [Range(0, 0.999)] double? DropPath = null,
    [Range(0, 0.999)] double? AttentionDropout = null,
    [RecipePath] string? Weights = null,
    bool WeightsEma = false,
    bool? NewHead = null,
    [RecipePath] string? WordVectors = null
)
{
    /// <summary>Side, or height and width.</summary>
    public IReadOnlyList<int>? ImageSize { get; init; } =
        ImageSize switch
        {
            null or [] => null,
            [> 0] or [> 0, > 0] => ImageSize,
            _ => throw new ArgumentException("image_size is one side, or height and width"),
        };

    /// <summary>As models take it.</summary>
    public ModelOptions Options(DataFacts data) =>
        new()
        {
            Classes = Classes ?? data.Classes.Count,
            Channels = Channels ?? data.Channels,
            ImageSize =
                ImageSize is { } own ? (own[0], own[^1])
                : data is { Height: { } height, Width: { } width } ? (height, width)
                : null,
            Dropout = Dropout,
            DropPath = DropPath,
            AttentionDropout = AttentionDropout,
            Vocabulary = data.Words?.Count,
        };
}

/// <summary>How a model is measured.</summary>
/// <param name="Every">Epochs between two evaluations; the last epoch is always evaluated. 0: only the last.</param>
/// <param name="Split">Part that is measured on.</param>
/// <param name="Batch">Samples at a time: no more than training takes, so that measuring does not set the peak of memory.</param>
/// <param name="Bins">Of the calibration error.</param>
/// <param name="Transforms">What happens to images; by default the resize and centre crop that the model's published figures stand for, where images are not of the model's size already.</param>
public sealed record EvaluationOptions(
    [Range(0, 1_000_000)] int Every = 1,
    string Split = "test",
    [Range(1, 1 << 20)] int Batch = 128,
    [Range(1, 1000)] int Bins = 15,
    IReadOnlyList<Transform>? Transforms = null
);

/// <summary>Type that products are computed in.</summary>
public enum Precision
{
    /// <summary>float32 throughout.</summary>
    Fp32,

    /// <summary>Products and convolutions in bfloat16; weights, sums, norms and losses in float32.</summary>
    Bf16,

    /// <summary>The same in float16, with a loss that is scaled so that gradients do not vanish; on a GPU only.</summary>
    Fp16,
}

/// <summary>What happens when a loss or a gradient is infinite or no number.</summary>
public enum NonFiniteAction
{
    /// <summary>The run ends with a diagnosis.</summary>
    Stop,

    /// <summary>The step is left out: weights, averages and running statistics stay as they were before it.</summary>
    Skip,

    /// <summary>Training goes back to the newest checkpoint and goes on from there with the data that follow the bad batch.</summary>
    Rollback,
}

/// <summary>How training runs.</summary>
/// <param name="Precision">fp32, bf16, or fp16 on a GPU.</param>
/// <param name="Device">cpu, cuda or cuda:N.</param>
/// <param name="Threads">Of one operator; 0 leaves the engine's choice.</param>
/// <param name="Seed">Of weights, order and augmentation.</param>
/// <param name="Clip">Largest joint norm of the gradients; none by default.</param>
/// <param name="ClipAdaptive">Largest norm of a unit's gradient over that of its weights, the classifier left out, as networks without norms need it (NFNet); none by default.</param>
/// <param name="Sam">Sharpness-aware steps; none by default.</param>
/// <param name="Accumulate">Batches of the loader to one step of the optimiser.</param>
/// <param name="MicroBatch">Samples that pass through the model at a time at most; halved by itself when the memory does not suffice. Step and result stay those of the batch.</param>
/// <param name="RecomputeBlocks">Blocks keep only their input and are computed again in the backward pass: less memory, at most a third more time.</param>
/// <param name="Ema">Decay of the moving average of the weights; none by default.</param>
/// <param name="LogEvery">Steps between two lines of the log.</param>
/// <param name="CheckpointEvery">Steps between two checkpoints, besides those after evaluations.</param>
/// <param name="Keep">Newest checkpoints that are kept, besides the best.</param>
/// <param name="NonFinite">When a loss or gradient is infinite or no number: stop, skip the step, or roll back to the newest checkpoint.</param>
/// <param name="NonFiniteLimit">Steps that are skipped in a row, or times that training rolls back, before it stops after all.</param>
/// <param name="ChannelsLast">Kernels of convolutions, and with them their maps, lie with the channels together; the results are those of the usual order, within rounding. Pays on a GPU for models that are mostly convolutions.</param>
/// <param name="SyncBatchNorm">Several processes: batch norms go by the samples of all of them, as in one process; else each by its own.</param>
public sealed record TrainOptions(
    Precision Precision = Precision.Fp32,
    string Device = "cpu",
    [Range(0, 1024)] int Threads = 0,
    ulong Seed = 0,
    [Range(1e-12, 1e12)] double? Clip = null,
    [Range(1e-12, 1e12)] double? ClipAdaptive = null,
    SamOptions? Sam = null,
    [Range(1, 1 << 20)] int Accumulate = 1,
    [Range(1, 1 << 20)] int? MicroBatch = null,
    bool RecomputeBlocks = false,
    [Range(0, 0.99999999)] double? Ema = null,
    [Range(1, int.MaxValue)] int LogEvery = 50,
    [Range(1, int.MaxValue)] int? CheckpointEvery = null,
    [Range(1, 1_000_000)] int Keep = 2,
    NonFiniteAction NonFinite = NonFiniteAction.Stop,
    [Range(1, 1_000_000)] int NonFiniteLimit = 5,
    bool ChannelsLast = false,
    bool SyncBatchNorm = true
)
{
    /// <summary>fp32, bf16, or fp16 on a GPU.</summary>
    public Precision Precision { get; init; } =
        Precision == Precision.Fp16 && Device == "cpu"
            ? throw new ArgumentException("precision fp16 needs a GPU (device: cuda): on the CPU bf16 is the short type")
            : Precision;

    /// <summary>Largest norm of a unit's gradient over that of its weights.</summary>
    public double? ClipAdaptive { get; init; } =
        ClipAdaptive is not null && Clip is not null
            ? throw new ArgumentException("gradients are clipped by their joint norm (clip) or unit by unit (clip_adaptive), not both")
            : ClipAdaptive;

    /// <summary>Sharpness-aware steps.</summary>
    public SamOptions? Sam { get; init; } =
        Sam is not null && Precision == Precision.Fp16
            ? throw new ArgumentException("sharpness-aware steps (sam) go by gradients that fp16 scales: bf16 is right")
            : Sam;

    /// <summary>cpu, cuda or cuda:N.</summary>
    public string Device { get; init; } = Valid(Device);

    private static string Valid(string device)
    {
        try
        {
            return Tessera.Device.Parse(device).ToString();
        }
        catch (FormatException error)
        {
            throw new ArgumentException(error.Message, error);
        }
    }
}
