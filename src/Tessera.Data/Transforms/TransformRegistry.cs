using System.Collections.Frozen;
using System.Reflection;

namespace Tessera.Data.Transforms;

/// <summary>A transform that recipes may name.</summary>
/// <param name="Name">As recipes write it.</param>
/// <param name="Type">The record; the parameters of its one public constructor are the fields, in snake case.</param>
/// <param name="Summary">A description in one line.</param>
public sealed record TransformKind(string Name, Type Type, string Summary = "")
{
    /// <summary>The fields, in the order of the constructor; a recipe that gives a bare value means the first.</summary>
    public IReadOnlyList<ParameterInfo> Fields => Constructor.GetParameters();

    /// <summary>Makes the transform from values in the order of <see cref="Fields"/>.</summary>
    public Transform Create(params object?[] values) => (Transform)Constructor.Invoke(values);

    private ConstructorInfo Constructor => Type.GetConstructors().Single();
}

/// <summary>All transforms by the name that recipes use. Threads may add and read at once.</summary>
public static class TransformRegistry
{
    private static readonly Lock gate = new();
    private static volatile FrozenDictionary<string, TransformKind> kinds = Ours();

    /// <summary>Name to transform.</summary>
    public static IReadOnlyDictionary<string, TransformKind> Kinds => kinds;

    /// <summary>Makes a transform known by its name.</summary>
    /// <param name="kind">The transform.</param>
    /// <exception cref="ArgumentException">Another transform has the name.</exception>
    internal static void Add(TransformKind kind)
    {
        lock (gate)
        {
            if (kinds.TryGetValue(kind.Name, out var taken))
                throw new ArgumentException(
                    $"transform '{kind.Name}' is {taken.Type.FullName} already: {kind.Type.FullName} needs another name"
                );
            kinds = kinds.Values.Append(kind).ToFrozenDictionary(one => one.Name);
        }
    }

    private static FrozenDictionary<string, TransformKind> Ours() =>
        new TransformKind[]
        {
            new("random_crop", typeof(RandomCrop), "window at a random position of the padded image"),
            new("random_horizontal_flip", typeof(RandomHorizontalFlip), "left and right mirrored"),
            new("random_vertical_flip", typeof(RandomVerticalFlip), "top and bottom mirrored"),
            new("random_shift", typeof(RandomShift), "shift by whole pixels"),
            new("resize", typeof(Resize), "shorter side brought to a size"),
            new("squash", typeof(Squash), "both sides brought to a size"),
            new("resize_within", typeof(ResizeWithin), "resized to fit, in proportion"),
            new("resize_to_multiple", typeof(ResizeToMultiple), "sides resized up to multiples"),
            new("random_scale", typeof(RandomScale), "resized by a random ratio, in proportion"),
            new("random_resize", typeof(RandomResize), "resized to fit one of several sizes, in proportion"),
            new("center_crop", typeof(CenterCrop), "square in the middle"),
            new("evaluation_crop", typeof(EvaluationCrop), "resize and centre crop, as evaluation does"),
            new("random_resized_crop", typeof(RandomResizedCrop), "part of random area and shape, resized"),
            new("random_dense_crop", typeof(RandomDenseCrop), "window at a random position, mixed in its classes"),
            new("random_size_crop", typeof(RandomSizeCrop), "window of random size at a random position"),
            new("large_scale_jitter", typeof(LargeScaleJitter), "resized by a random ratio, then cut or padded to a size"),
            new("random_choice", typeof(RandomChoice), "one of several lists of transforms"),
            new("pad", typeof(Pad), "padded below and right to a size or a multiple"),
            new("rand_augment", typeof(RandAugment), "RandAugment in timm's form"),
            new("auto_augment", typeof(AutoAugment), "AutoAugment with a table of torchvision or timm"),
            new("three_augment", typeof(ThreeAugment), "grey, solarised or blurred (DeiT III)"),
            new("color_jitter", typeof(ColorJitter), "brightness, contrast, saturation and hue changed at random"),
            new("color_distortion", typeof(ColorDistortion), "jitter, grey, blur and solarising of SimCLR and BYOL"),
            new("photometric_distortion", typeof(PhotometricDistortion), "brightness, contrast, saturation and hue, each with chance 1/2"),
            new("random_grayscale", typeof(RandomGrayscale), "grey in all channels"),
            new("random_solarize", typeof(RandomSolarize), "values inverted from a threshold on"),
            new("gaussian_blur", typeof(RandomBlur), "Gaussian blur of random radius"),
            new("to_color", typeof(ToColor), "grey images become colour images"),
            new("random_erasing", typeof(RandomErasing), "boxes erased from the normalised image"),
            new("mixup", typeof(Mixup), "images and targets mixed"),
            new("cutmix", typeof(CutMix), "a box of another image pasted in"),
            new("label_smoothing", typeof(LabelSmoothing), "targets spread over all classes"),
            new("label_scale", typeof(LabelScale), "label maps smaller than the images"),
            new("pad_batch", typeof(PadBatch), "images of different sizes padded to the largest of a batch"),
        }.ToFrozenDictionary(kind => kind.Name);

    /// <summary>The name by which recipes choose a transform.</summary>
    public static string NameOf(Transform transform) =>
        Kinds.Values.FirstOrDefault(kind => kind.Type == transform.GetType())?.Name ?? transform.GetType().Name;
}
