using Tessera.Data.Loading;
using Tessera.Distributed;
using Tessera.Models;
using Tessera.Nn;
using Tessera.Testing;
using Tessera.Training.Objectives.SelfSupervision;

namespace Tessera.Training.Tests.SelfSupervision;

/// <summary>A method that compares samples does so over all processes, and comes to the weights of one.</summary>
[Collection("engine")]
public sealed partial class SharedContrastTests
{
    // The engine's random numbers belong to the process.
    private static readonly Lock beginning = new();

    private const int Pixels = TinyModel.Side * TinyModel.Side;

    private sealed partial class Net : Backbone
    {
        private readonly Conv2d stem = new(1, TinyModel.Width, 2, stride: 2);
        private readonly BatchNorm norm = new(TinyModel.Width);

        public override (int Height, int Width) ImageSize => (TinyModel.Side, TinyModel.Side);
        public override int Channels => 1;
        public override int Classes => 0;
        public override int NumFeatures => TinyModel.Width;
        public override IReadOnlyList<string> BlockPaths => ["norm"];
        public override IReadOnlyList<string> ClassifierNames => [];

        protected override Tensor Features(Tensor input) => norm.Call(stem.Call(input)).Gelu();

        protected override Tensor Pool(Tensor features) => features.Mean([2, 3]);

        protected override Tensor Classify(Tensor pooled) => pooled;

        protected override IReadOnlyList<FeatureMap> FeatureMaps(Tensor input) => [new(Features(input), 2)];

        public override void ResetClassifier(int classes) => throw new NotSupportedException();

        public override void Resize(int height, int width) => throw new NotSupportedException();
    }

    private static FunctionSource Source(int[] batches, Replica replica) => new(batches.Length, (epoch, skip) => Enumerable
                .Range(skip, batches.Length - skip)
                .Select(number =>
                {
                    var random = new Random(epoch * 1000 + number);
                    var count = batches[number];
                    var pixels = Enumerable.Range(0, 2 * count * Pixels).Select(_ => random.NextDouble() - 0.5).ToArray();
                    var share = replica.Count == 1 ? [.. Enumerable.Range(0, count)] : BatchShare.Of(count, replica);
                    var idle = share.Length == 0;
                    if (idle)
                        share = [0];
                    using var scope = new Scope();
                    BatchView View(int from) =>
                        new(
                            Tensor.From(
                                share.SelectMany(i => pixels[((from + i) * Pixels)..((from + i + 1) * Pixels)]).ToArray(),
                                share.Length,
                                1,
                                TinyModel.Side,
                                TinyModel.Side
                            )
                        );
                    return scope.Return(
                        new Batch([View(0), View(count)], new ClassTargets(Torch.Zeros([share.Length], DType.Int64)), share)
                        {
                            GlobalCount = count,
                            IsPlaceholder = idle,
                        }
                    );
                }));

    private static Dictionary<string, double[]> Train(SimClrOptions options, int[] batches, ProcessGroup? group, List<string>? said = null)
    {
        using var scope = new Scope();
        Net model;
        SimClr method;
        lock (beginning)
        {
            Torch.Seed(5);
            model = new Net();
            method = new(options, new(model, Device.Cpu) { Group = group, StepSamples = 8 });
        }
        method.To(dtype: DType.Float64);
        var train = new TrainOptions(Seed: 5, ClipGrad: 1, LogEvery: 1);
        var losses = new List<double>();
        var setup = new TrainingSetup
        {
            Objective = method,
            Phases = Phases.Of(method, new SgdOptions(0.5), train),
            Schedule = new CosineOptions(3),
            Data = Source(batches, group is null ? Replica.Single : new Replica(group.Rank, group.Size)),
            Options = train,
            Group = group,
        };
        using var trainer = new Trainer(setup, null, happened =>
        {
            if (happened is StepDone step)
                losses.Add(step.Loss);
            said?.Add(happened.Remark ?? "");
        });
        trainer.Train();
        var state = new Dictionary<string, double[]> { ["losses"] = [.. losses] };
        foreach (var (name, tensor) in method.StateDict())
            state.Add(name, tensor.ToArray<double>());
        return state;
    }

    // Shares are uneven, and of the last batches some of four processes get nothing.
    public static TheoryData<SimClrForm, int, int[]> Cases =>
        new()
        {
            { SimClrForm.Official, 2, [7, 8, 5] },
            { SimClrForm.Htdt, 2, [7, 8, 5] },
            { SimClrForm.Official, 4, [8, 12, 3, 2] },
            { SimClrForm.Htdt, 4, [8, 12, 3, 2] },
        };

    [Theory]
    [MemberData(nameof(Cases))]
    public void Processes_come_to_the_weights_of_one(SimClrForm form, int size, int[] batches)
    {
        var options = new SimClrOptions(0.5, form, Hidden: 8, Dim: 6);
        var whole = Train(options, batches, null);
        var said = new List<string>();
        var all = Ranks.Run(size, group => Train(options, batches, group, group.IsFirst ? said : null));
        Assert.DoesNotContain(said, line => line.Contains("each process", StringComparison.Ordinal));
        foreach (var (rank, found) in all.Index())
        {
            Assert.Equal(whole.Keys.Order(), found.Keys.Order());
            // Each process watches its own samples for collapse; rank 0 speaks.
            foreach (var (name, values) in whole.Where(entry => entry.Key != "watch.low"))
            {
                var distance = values.Zip(found[name], (a, b) => Math.Abs(a - b)).DefaultIfEmpty().Max();
                Assert.True(distance <= 1e-10, $"{name} of rank {rank} of {size} differs by {distance:G3}");
            }
        }
    }

    [Fact]
    public void All_processes_take_the_mixture_of_the_first()
    {
        var shares = Ranks.Run(2, group =>
        {
            using var scope = new Scope();
            Torch.Seed(7);
            var mixing = new UnMix(new(), group);
            var images = Torch.Zeros([4, 3, 8, 8]);
            return Enumerable.Range(0, 5).Select(step => mixing.Of(images, new(0, 1, step, 5))!.Share).ToArray();
        });
        Assert.Equal(shares[0], shares[1]);
        Assert.True(shares[0].Distinct().Count() > 2);
    }
}
