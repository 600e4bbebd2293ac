using Tessera.Distributed;
using Tessera.Models;
using Tessera.Nn;
using Tessera.Training.Objectives.Adversarial;

namespace Tessera.Training.Tests.Adversarial;

/// <summary>A generator of 8 x 8 images with statistics that training changes.</summary>
internal sealed partial class TinyGenerator : ImageGenerator
{
    internal const int Side = 8,
        Latent = 6;

    private readonly Linear map;
    private readonly BatchNorm norm = new(12);
    private readonly Linear pixels = new(12, 3 * Side * Side);
    private readonly double spread;

    /// <param name="spread">Share of the random vectors that counts: with 0 all images are alike, whatever is drawn.</param>
    internal TinyGenerator(double spread = 1) => (map, this.spread) = (new(Latent, 12), spread);

    public override int LatentWidth => Latent;

    public override (int Height, int Width) ImageSize => (Side, Side);

    public override int Channels => 3;

    internal Linear Pixels => pixels;

    protected override Tensor Images(Tensor latents)
    {
        var x = map.Call(latents * spread);
        // Equal rows have no deviation.
        x = spread == 0 ? x.Tanh() : norm.Call(x).Tanh();
        return (pixels.Call(x) * 0.5 + 0.5).Reshape(-1, 3, Side, Side);
    }
}

/// <summary>A smooth discriminator with a direction that follows what passes while it is trained, where it may.</summary>
internal sealed partial class TinyDiscriminator(int multiple = 1, bool follows = true, int channels = 3) : Discriminator
{
    private readonly Conv2d stem = new(channels, 5, 3, stride: 2, padding: 1);
    private readonly Linear head = new(5, 1);
    private readonly ModuleBuffer direction = new(Torch.Ones(5));

    public override int BatchMultiple => multiple;

    /// <summary>Told with each batch that passes, with its number of images.</summary>
    [NotRegistered]
    internal Action<long>? Seen { get; set; }

    internal Linear Head => head;

    protected override Tensor Forward(Tensor input)
    {
        Seen?.Invoke(input.Size(0));
        var x = stem.Call(input * 2 - 1).Tanh().Mean((2, 3)); // [B, 5]
        if (Training && follows)
            using (Torch.NoGrad())
                direction.Mul_(0.9).Add_(x.Detach().Mean(0).To(direction.DType), 0.1);
        return head.Call(x * direction.Detach().Clone());
    }
}

/// <summary>Makes <see cref="TinyDiscriminator"/>.</summary>
[RecipeName("tiny_discriminator")]
internal sealed record TinyDiscriminatorOptions(int Multiple = 1) : DiscriminatorOptions
{
    public override Models.Discriminator Create(int side, int channels) => new TinyDiscriminator(Multiple, channels: channels);
}

/// <summary>Small trainings of a generator.</summary>
internal static class TinyGan
{
    internal const int BatchSize = 6,
        Batches = 4;

    internal static readonly Normalization Halves = new([0.5f, 0.5f, 0.5f], [0.5f, 0.5f, 0.5f]);

    internal static VitGanOptions Options => new(new TinyDiscriminatorOptions());

    /// <summary>Images with a bright half, normalised to [-1, 1], that depend on epoch and number alone.</summary>
    internal static FunctionSource Source(DType type = DType.Float32, Replica? replica = null) => new(Batches, (epoch, skip) => Enumerable
                .Range(skip, Batches - skip)
                .Select(number =>
                {
                    var random = new Random(epoch * 10 + number);
                    var (own, side) = (replica ?? Replica.Single, TinyGenerator.Side);
                    float[][] images =
                    [
                        .. Enumerable
                            .Range(0, BatchSize)
                            .Select(_ =>
                                Enumerable
                                    .Range(0, 3 * side * side)
                                    .Select(i => (float)(random.NextDouble() * 0.5 + (i % side < side / 2 ? 0.5 : -1)))
                                    .ToArray()
                            ),
                    ];
                    var share = BatchShare.Of(BatchSize, own);
                    using var scope = new Scope();
                    return scope.Return(
                        new Batch(
                            Tensor.From(share.SelectMany(i => images[i]).ToArray(), share.Length, 3, side, side).To(type),
                            new NoTargets(share.Length),
                            share
                        ) with
                        {
                            GlobalCount = BatchSize,
                        }
                    );
                }));

    internal static (Trainer Trainer, VitGan Method, TrainingSetup Setup) Training(
        string? folder = null,
        VitGanOptions? options = null,
        TrainOptions? train = null,
        Action<TrainingEvent>? report = null,
        int epochs = 3,
        DType type = DType.Float32,
        double spread = 1,
        ProcessGroup? group = null,
        OptimizerOptions? how = null,
        Func<ImageGenerator>? generator = null,
        Func<Discriminator>? discriminator = null
    )
    {
        VitGan method;
        // The engine's random numbers belong to the process.
        lock (Halves)
        {
            Torch.Seed(5);
            method = new VitGan(
                options ?? Options,
                generator?.Invoke() ?? new TinyGenerator(spread),
                discriminator?.Invoke() ?? new TinyDiscriminator(follows: spread != 0),
                Halves
            );
        }
        method.To(dtype: type);
        train ??= new(Seed: 5, EmaHalfLife: 30, EmaStart: 2 * BatchSize, LogEvery: 1);
        var setup = new TrainingSetup
        {
            Objective = method,
            Phases = PhaseSetup.Of(method, how ?? new AdamOptions(5e-3, Beta1: 0, Beta2: 0.99), train),
            Schedule = new StepConstantOptions(epochs * Batches, 2),
            Data = Source(type, group is null ? null : new(group.Rank, group.Size)),
            Options = train,
            Group = group,
        };
        return (new(setup, folder is null || group is { IsFirst: false } ? null : new RunFolder(folder), report), method, setup);
    }

    /// <summary>All that a training comes to, by name.</summary>
    internal static OrderedDictionary<string, byte[]> State(Trainer trainer, VitGan method, TrainingSetup setup)
    {
        using var scope = new Scope();
        var result = new OrderedDictionary<string, byte[]>();
        foreach (var (name, tensor) in method.StateDict())
            result.Add(name, tensor.ToBytes());
        foreach (var phase in setup.Phases)
        foreach (var (name, tensor) in phase.Optimizer.StateDict())
            result.Add($"{phase.Phase.Name}: {name}", tensor.ToBytes());
        foreach (var (name, tensor) in trainer.Ema?.StateDict() ?? [])
            result.Add($"ema: {name}", tensor.ToBytes());
        return result;
    }
}
