namespace Tessera.Models;

public abstract partial class Model
{
    // Texts of engine errors may go on with the shapes of a dozen tensors.
    private const int LongestReason = 200;

    private string Name => GetType().Name;

    // [B, 3, 224, 224]
    private protected virtual string Expected => $"{(TakesImages ? "images" : "word ids")} [B, {string.Join(", ", InputShape)}]";

    // Whether the numbers of a sample are fractions, as those of images are, and not word ids.
    private protected virtual bool TakesFractions => TakesImages;

    /// <summary>
    /// Refuses what no size of this model could take: other channels, other dimensions, or another kind of numbers. Every way to run the
    /// model begins with it; a program that collects samples can ask earlier.
    /// </summary>
    /// <param name="input">Images [B, C, H, W], or word ids [B, S] of a text model.</param>
    /// <exception cref="ShapeException">
    /// The model cannot take it; the message names the model, the shape that was given and the one that would be right.
    /// </exception>
    public void CheckInput(Tensor input)
    {
        var shape = input.Shape;
        var type = input.DType;
        if (TakesFractions ? !type.IsFloat() : type is not (DType.Int64 or DType.Int32))
            throw Refusal(
                $"{(TakesFractions ? "floating-point" : "integer")} numbers, not {type.Name()} {shape}"
                    + (TakesImages && type == DType.UInt8 ? ": bring bytes to [0, 1] and normalize them first" : "")
            );
        if (shape.Count != InputShape.Count + 1)
            throw Refusal(
                shape.Count == InputShape.Count && (!TakesImages || shape[0] == Channels)
                    ? $"not {shape}: a single one is a batch of one, Unsqueeze(0)"
                    : $"not {shape}"
            );
        if (TakesImages && shape[1] != Channels)
            throw Refusal($"not {shape}: it has {Channels} channels, and the images have {shape[1]}");
        for (var i = 1; i < shape.Count; i++)
            if (shape[i] == 0)
                throw Refusal($"not {shape}: there is nothing in them");

        ShapeException Refusal(string instead) =>
            new($"{Name} takes {Expected}{(instead.StartsWith("not", StringComparison.Ordinal) ? ", " : " of ")}{instead}");
    }

    /// <summary>Refuses images of another size, for models that are tied to theirs.</summary>
    /// <param name="image">[B, C, H, W].</param>
    /// <param name="remark">What a change of size means for this model.</param>
    /// <exception cref="ShapeException">The image has another size.</exception>
    protected void ExpectOwnSize(Tensor image, string remark = "")
    {
        if ((image.Size(2), image.Size(3)) == (ImageSize.Height, ImageSize.Width))
            return;
        throw new ShapeException($"{Name} takes {Expected}, not {image.Shape}: call Resize first{remark}");
    }

    /// <summary>Runs the model on an input, and says in a sentence why it cannot.</summary>
    private protected T Taking<T>(Tensor input, Func<T> compute)
    {
        CheckInput(input);
        try
        {
            return compute();
        }
        catch (Exception error) when (Misfit(input, error) is { } sentence)
        {
            throw new ShapeException(sentence, error);
        }
    }

    // A model runs on an input of its own shape, type and device: where one differs, that is the reason.
    private string? Misfit(Tensor input, Exception error)
    {
        if (
            error
                is not (
                    TorchException
                    or ArgumentException
                    or ArithmeticException
                    or IndexOutOfRangeException
                    or InvalidOperationException
                    or KeyNotFoundException
                )
            || error is TorchOutOfMemoryException or ObjectDisposedException
            || error.Message.StartsWith($"{Name} takes", StringComparison.Ordinal)
        )
            return null;
        var shape = input.Shape;
        if (!shape.Skip(1).SequenceEqual(InputShape))
        {
            var reason = Message.OneLine(error.Message.ReplaceLineEndings(" "));
            return $"{Name} takes {Expected}, and {shape} does not fit through its layers: "
                + (reason.Length > LongestReason ? reason[..LongestReason] + "..." : reason);
        }
        if (Parameters().FirstOrDefault() is not { } weights)
            return null;
        if (input.Device != weights.Device)
            return $"{Name} lies on {weights.Device}, and its input {shape} on {input.Device}: move one of them by To";
        if (TakesFractions && input.DType != weights.DType && Torch.AutocastType(input.Device.Type) is null)
            return $"{Name} has weights of {weights.DType.Name()}, and its input {shape} is {input.DType.Name()}: convert one of them by To";
        return null;
    }
}
