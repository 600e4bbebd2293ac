namespace Tessera.Data.Transforms;

/// <summary>How often the parameters of mixing are drawn.</summary>
public enum MixMode
{
    /// <summary>Once per batch.</summary>
    Batch,

    /// <summary>For each pair of images that are mixed with each other.</summary>
    Pair,

    /// <summary>For each image.</summary>
    Elem,
}

/// <summary>
/// Images and their targets mixed with another image of the batch and its targets (Zhang et al., 2018, arXiv:1710.09412).
/// </summary>
/// <param name="Alpha">Of the beta distribution that the share of the image is drawn from.</param>
/// <param name="Probability">How often a batch (pair, image) is mixed at all; beside cutmix, the first one given counts for both.</param>
/// <param name="Switch">Beside cutmix: how often cutmix takes the place of mixup.</param>
/// <param name="Mode">How often parameters are drawn.</param>
/// <param name="Epochs">Mixing ends after that many epochs, cutmix too; null for never.</param>
public sealed record Mixup(
    double Alpha = 0.8,
    double Probability = 1,
    double Switch = 0.5,
    MixMode Mode = MixMode.Batch,
    int? Epochs = null
) : BatchTransform;

/// <summary>A box of another image of the batch pasted in, and targets mixed by area (Yun et al., 2019, arXiv:1905.04899).</summary>
/// <param name="Alpha">Of the beta distribution that the share of the image is drawn from.</param>
/// <param name="MinSide">
/// With <paramref name="MaxSide"/>: smallest side of the box as a share of the image's, instead of the beta distribution.
/// </param>
/// <param name="MaxSide">Largest side of the box as a share of the image's.</param>
/// <param name="Probability">Without mixup: how often a batch (pair, image) is mixed.</param>
/// <param name="Mode">Without mixup: how often parameters are drawn.</param>
public sealed record CutMix(
    double Alpha = 1,
    double? MinSide = null,
    double? MaxSide = null,
    double Probability = 1,
    MixMode Mode = MixMode.Batch
) : BatchTransform;

/// <summary>
/// Smooths targets. With one class per sample, a share of the probability is spread evenly over all classes (Szegedy et al., 2016, section
/// 7); with several, every class moves towards a half (<see cref="MultiLabels.Hot"/>).
/// </summary>
/// <param name="Smoothing">That share.</param>
public sealed record LabelSmoothing(double Smoothing = 0.1) : BatchTransform;

/// <summary>Mixup, CutMix and label smoothing together, as timm's Mixup.</summary>
/// <param name="Mixup">Null for none.</param>
/// <param name="CutMix">Null for none.</param>
/// <param name="Smoothing">Share spread over all classes.</param>
public sealed record Mixing(Mixup? Mixup, CutMix? CutMix, double Smoothing = 0)
{
    private double Probability => Mixup?.Probability ?? CutMix!.Probability;

    private MixMode Mode => Mixup?.Mode ?? CutMix!.Mode;

    /// <summary>A pipeline's batch transforms together; null when there are none.</summary>
    /// <exception cref="DataException">The same kind twice, or values that make no sense.</exception>
    public static Mixing? Of(IReadOnlyList<BatchTransform> transforms)
    {
        if (transforms.Count == 0)
            return null;
        if (transforms.GroupBy(transform => transform.GetType()).FirstOrDefault(group => group.Count() > 1) is { } twice)
            throw new DataException($"augment: {TransformRegistry.NameOf(twice.First())} is there twice");
        var result = new Mixing(
            transforms.OfType<Mixup>().SingleOrDefault(),
            transforms.OfType<CutMix>().SingleOrDefault(),
            transforms.OfType<LabelSmoothing>().SingleOrDefault()?.Smoothing ?? 0
        );
        // An alpha of 0 turns a kind off, as published settings write it.
        if (result.Mixup is { Alpha: 0 })
            result = result with { Mixup = null };
        if (result.CutMix is { Alpha: 0, MinSide: null })
            result = result with { CutMix = null };
        if (result.Mixup is { Alpha: < 0 } || result.CutMix is { Alpha: < 0 })
            throw new DataException("augment: alpha of mixup and cutmix must be at least 0");
        if (result.Smoothing is < 0 or > 1)
            throw new DataException($"augment: label_smoothing of {result.Smoothing}: it must be from 0 to 1");
        return result;
    }

    /// <summary>How each image of a batch is mixed.</summary>
    /// <param name="count">Images in the batch.</param>
    /// <param name="height">Of the images.</param>
    /// <param name="width">Of the images.</param>
    /// <param name="epoch">From 0.</param>
    /// <param name="random">Draws.</param>
    public Mix[] Plan(int count, int height, int width, int epoch, ref SampleRandom random)
    {
        var plan = new Mix[count];
        Array.Fill(plan, Mix.None);
        if ((Mixup is null && CutMix is null) || epoch >= Mixup?.Epochs)
            return plan;
        switch (Mode)
        {
            case MixMode.Batch:
                Array.Fill(plan, Draw(height, width, ref random));
                break;
            case MixMode.Pair:
                for (var i = 0; i < count / 2; i++)
                    plan[i] = plan[count - 1 - i] = Draw(height, width, ref random);
                break;
            case MixMode.Elem:
                for (var i = 0; i < count; i++)
                    plan[i] = Draw(height, width, ref random);
                break;
        }
        return plan;
    }

    /// <summary>How the images of a process are mixed, of a batch that several share. It is drawn for the whole batch.</summary>
    /// <param name="share">Their positions in the batch.</param>
    /// <param name="left">How many of them are left. Where one was left out, the positions are those of the rest.</param>
    /// <param name="whole">Images of the batch, in all processes.</param>
    /// <param name="height">Of the images.</param>
    /// <param name="width">Of the images.</param>
    /// <param name="seed">Of the run.</param>
    /// <param name="epoch">From 0.</param>
    /// <param name="step">Position of the batch in its epoch.</param>
    internal Mix[] PlanOf(int[] share, int left, int whole, int height, int width, ulong seed, int epoch, int step)
    {
        var random = new SampleRandom(seed, epoch, step, Streams.Batch);
        var drawn = Plan(whole - (share.Length - left), height, width, epoch, ref random);
        return left == share.Length ? [.. share.Select(position => drawn[position])] : drawn[..left];
    }

    private Mix Draw(int height, int width, ref SampleRandom random)
    {
        if (!random.Chance(Probability))
            return Mix.None;
        if (CutMix is { } cut && (Mixup is null || random.Chance(Mixup.Switch)))
        {
            if (cut is { MinSide: { } min, MaxSide: { } max })
            {
                var h = Side(height, min, max, ref random);
                var w = Side(width, min, max, ref random);
                var top = random.Below(Math.Max(1, height - h));
                var left = random.Below(Math.Max(1, width - w));
                return Mix.Pasted(new(top, top + h, left, left + w), height, width);
            }
            return Mix.Cut(random.Beta(cut.Alpha, cut.Alpha), random.Below(height), random.Below(width), height, width);
        }
        return new(random.Beta(Mixup!.Alpha, Mixup.Alpha));

        static int Side(int length, double min, double max, ref SampleRandom random)
        {
            var (low, high) = ((int)(length * min), (int)(length * max));
            return high > low ? low + random.Below(high - low) : low;
        }
    }

    /// <summary>Mixes images in place: image i with image B-1-i, as both were before.</summary>
    /// <typeparam name="T">Element type.</typeparam>
    /// <param name="images">[B, C, H, W].</param>
    /// <param name="plan">Per image.</param>
    /// <param name="height">H.</param>
    /// <param name="width">W.</param>
    public static void Apply<T>(Span<T> images, ReadOnlySpan<Mix> plan, int height, int width)
        where T : unmanaged, System.Numerics.IFloatingPointIeee754<T>
    {
        var size = images.Length / Math.Max(1, plan.Length);
        var before = new T[size];
        for (var i = 0; i < plan.Length / 2; i++)
        {
            var j = plan.Length - 1 - i;
            if (plan[i] == Mix.None && plan[j] == Mix.None)
                continue;
            Span<T> first = images.Slice(i * size, size),
                second = images.Slice(j * size, size);
            first.CopyTo(before);
            Combine(first, second, plan[i], height, width);
            Combine<T>(second, before, plan[j], height, width);
        }
    }

    private static void Combine<T>(Span<T> image, ReadOnlySpan<T> partner, Mix mix, int height, int width)
        where T : unmanaged, System.Numerics.IFloatingPointIeee754<T>
    {
        if (mix.Box is not { } box)
        {
            var (share, rest) = (T.CreateTruncating(mix.Share), T.CreateTruncating(1 - mix.Share));
            for (var i = 0; i < image.Length; i++)
                image[i] = image[i] * share + partner[i] * rest;
            return;
        }
        for (var plane = 0; plane < image.Length; plane += height * width)
        for (var y = box.Top; y < box.Bottom; y++)
        {
            var start = plane + y * width + box.Left;
            partner.Slice(start, box.Right - box.Left).CopyTo(image[start..]);
        }
    }
}
