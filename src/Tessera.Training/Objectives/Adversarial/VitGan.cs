using Tessera.Data;
using Tessera.Data.Transforms;
using Tessera.Models;
using Tessera.Training.Losses;

namespace Tessera.Training.Objectives.Adversarial;

/// <summary>
/// A generator and a discriminator that learn in turn. Lee et al., "ViTGAN: Training GANs with Vision Transformers", 2021,
/// arXiv:2107.04589, as the authors' reproduction has it: real and generated images pass the discriminator as one batch under differentiable augmentation; it
/// is held smooth by the penalty R1 and by balanced consistency. The discriminator's phase comes first in a step.
/// </summary>
public sealed partial class VitGan : Objective
{
    internal const string DiscriminatorPhase = "discriminator",
        GeneratorPhase = "generator";

    private const string RealScore = "real_score",
        FakeScore = "fake_score",
        Accuracy = "accuracy",
        Adversarial = "adversarial",
        BcrPart = "bcr",
        R1Part = "r1";

    private readonly Discriminator discriminator;
    private readonly DiscriminatorWatch watch = new();
    private readonly VitGanOptions options;
    private readonly Normalization normalization;

    /// <summary>The method for the generator of a context, with a new discriminator.</summary>
    /// <param name="options">Losses, augmentation and discriminator.</param>
    /// <param name="context">Generator, data and processes.</param>
    /// <exception cref="ArgumentException">
    /// The model makes no images, or others than the data has; or the discriminator cannot see them, or not in such batches.
    /// </exception>
    public VitGan(VitGanOptions options, ObjectiveContext context)
        : this(options, context, GeneratorOf(context)) { }

    private VitGan(VitGanOptions options, ObjectiveContext context, ImageGenerator generator)
        : this(options, generator, Opponent(options, generator), context.Normalization)
    {
        var batch = context.StepSamples;
        if (context.Data is { } data)
            batch = Math.Min(batch, data.Count);
        var processes = context.Group?.Size ?? 1;
        var (least, share) = (discriminator.BatchMultiple, batch / processes);
        // Twice as many pass in its own phase. Shares of processes may differ by one where they do not divide the batch.
        if (batch > 0 && (batch % processes != 0 || !Fits(share, least) || !Fits(2 * share, least)))
            throw new ArgumentException(
                $"its discriminator compares images in groups of {least}: data.batch must be a multiple of {least * processes}"
                    + $"{(processes == 1 ? "" : $" for {processes} processes")}, not {batch}"
            );

        static bool Fits(int count, int multiple) => count <= multiple || count % multiple == 0;
    }

    /// <summary>The method for networks of your own.</summary>
    /// <param name="options">Losses and augmentation.</param>
    /// <param name="generator">The model that is kept.</param>
    /// <param name="discriminator">Its opponent.</param>
    /// <param name="normalization">How the images of the batches are normalised; null where they are in [0, 1].</param>
    public VitGan(VitGanOptions options, ImageGenerator generator, Discriminator discriminator, Normalization? normalization = null)
        : base(generator)
    {
        (this.options, this.discriminator) = (options, discriminator);
        this.normalization = normalization ?? new([0], [1]);
    }

    private static ImageGenerator GeneratorOf(ObjectiveContext context)
    {
        if (context.Model is not ImageGenerator generator)
            throw new ArgumentException($"vitgan needs a generator of images, not a {context.Model.GetType().Name}");
        var channels = context.Normalization.Mean.Count;
        if (channels > 1 && channels != generator.Channels)
            throw new ArgumentException($"it makes images of {generator.Channels} channels, and those of the data have {channels}");
        return generator;
    }

    private static Discriminator Opponent(VitGanOptions options, ImageGenerator generator) =>
        generator.ImageSize is var (height, width) && height == width
            ? options.Discriminator.Create(height, generator.Channels)
            : throw new ArgumentException($"vitgan needs square images, not {generator.ImageSize.Height}x{generator.ImageSize.Width}");

    /// <summary>The model that is kept.</summary>
    public ImageGenerator Generator => (ImageGenerator)Model;

    /// <summary>Its opponent.</summary>
    public Discriminator Discriminator => discriminator;

    /// <inheritdoc/>
    public override IReadOnlyList<Phase> Phases =>
        [new(DiscriminatorPhase, [discriminator]), new(GeneratorPhase, [Model], options.GeneratorEvery)];

    /// <inheritdoc/>
    protected override Loss ForwardLoss(Batch batch, Progress progress, Phase phase)
    {
        var real = Reals(batch.Inputs);
        return phase.Name == GeneratorPhase
            ? GeneratorLoss(real)
            : DiscriminatorLoss(real, progress.Step % options.R1Every == 0, progress.Step, batch.IsPlaceholder);
    }

    private Loss GeneratorLoss(Tensor like)
    {
        var scores = DiscriminatorTerms.Scores(discriminator, Augmented(Fakes(like)));
        return new(AdversarialLosses.Generator(scores)) { Parts = new Dictionary<string, Tensor> { [FakeScore] = scores.Detach().Mean() } };
    }

    private Loss DiscriminatorLoss(Tensor real, bool due, long step, bool isPlaceholder)
    {
        Tensor fake;
        using (Torch.NoGrad())
            fake = Fakes(real);
        var penalized = due && options.R1 > 0;
        // Gradients of gradients would vanish in float16, whose loss alone is scaled.
        using var exact =
            penalized && Torch.AutocastType(real.Device.Type) == DType.Float16
                ? Torch.Autocast(device: real.Device.Type, enabled: false)
                : null;
        var terms = DiscriminatorTerms.Of(discriminator, options, real, fake, Augmented, penalized);
        var right = 0L;
        if (!isPlaceholder)
        {
            (right, var remarks) = watch.Look(terms.Real, terms.Fake, step);
            foreach (var remark in remarks)
                Remark(remark);
        }
        var parts = new Dictionary<string, Tensor>
        {
            [RealScore] = terms.Real.Detach().Mean(),
            [FakeScore] = terms.Fake.Detach().Mean(),
            [Adversarial] = terms.Adversarial.Detach(),
        };
        if (terms.Consistency is { } consistency)
            parts[BcrPart] = consistency.Detach();
        if (terms.R1 is { } r1)
            parts[R1Part] = r1.Detach();
        return new(terms.Total)
        {
            Parts = parts,
            Scores = new Dictionary<string, Score> { [Accuracy] = isPlaceholder ? default : new(right, 2 * real.Size(0)) },
        };
    }

    private Tensor Augmented(Tensor images) => options.DiffAugment.Apply(images);

    private Tensor Fakes(Tensor like)
    {
        var latents = Torch.Randn([like.Size(0), Generator.LatentWidth], like.DType, device: like.Device);
        var made = Generator.Call(latents);
        return made.DType == like.DType ? made : made.To(like.DType);
    }

    // In [0, 1], and of the generator's size: the discriminator sees both side by side.
    private Tensor Reals(Tensor inputs)
    {
        var size = Generator.ImageSize;
        if (inputs.Shape.Count != 4 || (inputs.Size(1), inputs.Size(2), inputs.Size(3)) != (Generator.Channels, size.Height, size.Width))
            throw new ShapeException(
                $"the images of the data must be [B, {Generator.Channels}, {size.Height}, {size.Width}] as those of the generator, not "
                    + $"{inputs.Shape}: augment can crop or resize them"
            );
        if (normalization.Mean.All(value => value == 0) && normalization.Deviation.All(value => value == 1))
            return inputs;
        Tensor Channels(IReadOnlyList<float> values) =>
            Tensor.From([.. values]).Reshape(1, values.Count, 1, 1).To(inputs.DType).To(inputs.Device);
        return inputs * Channels(normalization.Deviation) + Channels(normalization.Mean);
    }

    /// <inheritdoc/>
    public override IReadOnlyList<MetricCurve> Watched =>
        [
            new("Loss of the discriminator", $"{DiscriminatorPhase}_loss", MetricFormat.Number),
            new("Loss of the generator", $"{GeneratorPhase}_loss", MetricFormat.Number),
            new("Scores of real images", $"{DiscriminatorPhase}_{RealScore}", MetricFormat.Number),
            new("Scores of generated images", $"{DiscriminatorPhase}_{FakeScore}", MetricFormat.Number),
            new("Images that the discriminator judges rightly", $"{DiscriminatorPhase}_{Accuracy}", MetricFormat.Share),
            .. options.R1 > 0
                ? [new MetricCurve("Penalty R1 with its weight", $"{DiscriminatorPhase}_{R1Part}", MetricFormat.Number)]
                : Array.Empty<MetricCurve>(),
        ];

    /// <summary>False for a discriminator that compares the images of a batch.</summary>
    /// <inheritdoc/>
    public override bool MeanOverSamples => discriminator.BatchMultiple == 1;
}
