using Tessera.Models;
using Tessera.Nn;

namespace Tessera.Training.Tests;

/// <summary>A model with everything that training has to carry over: dropout, running statistics, an integer buffer.</summary>
internal sealed partial class TinyModel : Backbone
{
    internal const int Side = 4,
        Width = 8,
        Labels = 3;
    private readonly Conv2d stem = new(1, Width, 2, stride: 2);
    private readonly BatchNorm norm = new(Width);
    private readonly Dropout drop = new(0.2);
    private readonly Linear head = new(Width, Labels);

    public override (int Height, int Width) ImageSize => (Side, Side);
    public override int Channels => 1;
    public override int Classes => Labels;
    public override int NumFeatures => Width;
    public override IReadOnlyList<string> BlockPaths => ["norm"];
    public override IReadOnlyList<string> ClassifierNames => ["head.weight", "head.bias"];

    internal Linear Head => head;
    internal Conv2d Stem => stem;

    protected override Tensor Features(Tensor input) => drop.Call(norm.Call(stem.Call(input)).Relu());

    protected override Tensor Pool(Tensor features) => features.Mean([2, 3]);

    protected override Tensor Classify(Tensor pooled) => head.Call(pooled);

    protected override IReadOnlyList<FeatureMap> FeatureMaps(Tensor input) => [new(Features(input), 2)];

    public override void ResetClassifier(int classes) => throw new NotSupportedException();

    public override void Resize(int height, int width) => throw new NotSupportedException();
}

/// <summary>Small trainings for the tests.</summary>
internal static class Tiny
{
    internal const int Batches = 5,
        BatchSize = 6;

    /// <summary>Batches that depend on the epoch and their number alone; each class lights up another corner of every 2x2 square.</summary>
    internal static FunctionSource Source(int batches = Batches, bool bad = false) => new(batches, (epoch, skip) => Enumerable
                .Range(skip, batches - skip)
                .Select(number =>
                {
                    var random = new Random(epoch * 1000 + number);
                    var labels = Enumerable.Range(0, BatchSize).Select(_ => (long)random.Next(TinyModel.Labels)).ToArray();
                    var pixels = labels
                        .SelectMany(label =>
                            Enumerable
                                .Range(0, TinyModel.Side * TinyModel.Side)
                                .Select(i => (float)(random.NextDouble() - 0.5 + (i % 2 + i / TinyModel.Side % 2 * 2 == label ? 1 : 0)))
                        )
                        .ToArray();
                    if (bad && epoch == 0 && number == 2)
                        pixels[3] = float.NaN;
                    return Tests.Batches.Labelled(
                        Tensor.From(pixels, BatchSize, 1, TinyModel.Side, TinyModel.Side),
                        Tensor.From(labels),
                        [.. Enumerable.Range(number * BatchSize, BatchSize)]
                    );
                }));

    internal static TrainOptions Options => new(Seed: 5, Ema: 0.9, LogEvery: 2, ClipGrad: 1);

    internal static (Trainer Trainer, TinyModel Model, Optim.Optimizer Optimizer) Training(
        string? folder,
        TrainOptions? options = null,
        int epochs = 4,
        double lr = 1e-2,
        Func<TinyModel, Objective>? objective = null,
        BatchSource? data = null,
        Action<TrainingEvent>? report = null,
        bool test = true,
        Optim.GradientScaler? scaler = null,
        ScheduleOptions? schedule = null
    )
    {
        options ??= Options;
        Torch.Seed(options.Seed);
        var model = new TinyModel();
        model.To(Device.Parse(options.Device));
        var method = objective?.Invoke(model) ?? new Supervised(model, 0.1);
        var phases = Phases.Of(method, new AdamWOptions(lr), options, () => scaler);
        var setup = new TrainingSetup
        {
            Objective = method,
            Phases = phases,
            Schedule = schedule ?? new CosineOptions(epochs, 0.5),
            Data = data ?? Source(),
            Options = options,
            Test = test ? Source(3) : null,
            Evaluator = () => new ClassificationEvaluator(model, 15),
        };
        return (new(setup, folder is null ? null : new RunFolder(folder), report), model, phases[0].Optimizer);
    }
}
