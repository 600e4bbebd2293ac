using Tessera.Data.Loading;
using Tessera.Data.Transforms;

namespace Tessera.Data.Images;

/// <summary>
/// Batches of images that lie on a device. Their moves, erasing and mixing are drawn here, from the numbers of
/// <see cref="ImageBatchBuilder"/> and in the same order; <see cref="DeviceImages"/> carries them out.
/// </summary>
internal sealed class DeviceBatchBuilder(ImageDataset dataset, DeviceImages device, Pipeline pipeline, ulong seed) : BatchBuilder
{
    private readonly MovingTransform[] moves = [.. pipeline.Transforms.OfType<MovingTransform>()];
    private readonly RandomErasing[] erasings = [.. pipeline.Transforms.OfType<RandomErasing>()];
    private readonly Axis rows = new(dataset.Height!.Value);
    private readonly Axis columns = new(dataset.Width!.Value);
    private float[] erased = [];

    protected override BatchData Build(ReadOnlySpan<Draw> draws, int[] share, bool placeholder, int epoch, int step)
    {
        var indices = new int[share.Length];
        var sights = new Sight[share.Length];
        var original = new ImageSize(dataset.Height!.Value, dataset.Width!.Value);
        var places = new List<long>(share.Length * (1 + dataset.Height!.Value + dataset.Width!.Value));
        var (positions, values) = (new List<long>(), new List<float>());
        for (var i = 0; i < share.Length; i++)
        {
            var draw = draws[share[i]];
            var random = draw.Random(seed, epoch);
            (indices[i], sights[i]) = (draw.Index, Move(ref random));
            places.Add(draw.Index);
            foreach (var row in rows.Places)
                places.Add(row);
            foreach (var column in columns.Places)
                places.Add(column);
            Erase(i, positions, values, ref random);
        }
        var (height, width) = (rows.Length, columns.Length);
        var mixes = pipeline.Mixing?.PlanOf(share, share.Length, draws.Length, height, width, seed, epoch, step);
        var plan = new ImagePlan(share.Length, height, width, [.. places], [.. positions], [.. values], mixes);
        var mixing = mixes is null ? null : new MixPlan(mixes, pipeline.Mixing!.Smoothing);
        return new()
        {
            Views = [new(() => device.Make(plan), [.. sights.Select(sight => sight.View)])],
            Targets = dataset.Annotations.Gather(
                new(indices, [.. sights.Select(sight => sight.Targets(original))], new(height, width), mixing)
                {
                    LabelScale = pipeline.LabelScale,
                }
            ),
            Indices = indices,
            GlobalCount = draws.Length,
            IsPlaceholder = placeholder,
        };
    }

    private Sight Move(ref SampleRandom random)
    {
        rows.Reset();
        columns.Reset();
        var sight = Sight.Full;
        var borders = 0;
        foreach (var transform in moves)
        {
            var (height, width) = (rows.Length, columns.Length);
            var move = transform.Draw(height, width, ref random);
            sight = move.Apply(sight, height, width);
            rows.Move(move.Top, move.Height, move.Overturned, transform.Border, borders);
            columns.Move(move.Left, move.Width, move.Mirrored, transform.Border, borders);
            if (transform.Border is not null)
                borders++;
        }
        return sight;
    }

    // On an image of NaN: values that are no NaN afterwards go into the model's image.
    private void Erase(int image, List<long> positions, List<float> values, ref SampleRandom random)
    {
        if (erasings.Length == 0)
            return;
        var size = dataset.Channels * rows.Length * columns.Length;
        if (erased.Length != size)
        {
            erased = new float[size];
            Array.Fill(erased, float.NaN);
        }
        var any = false;
        foreach (var erasing in erasings)
            any |= erasing.Erase(erased, dataset.Channels, rows.Length, columns.Length, ref random);
        if (!any)
            return;
        for (var i = 0; i < size; i++)
        {
            if (float.IsNaN(erased[i]))
                continue;
            positions.Add((long)image * size + i);
            values.Add(erased[i]);
            erased[i] = float.NaN;
        }
    }
}

/// <summary>The draws of a batch.</summary>
/// <param name="Count">B.</param>
/// <param name="Height">Of the images.</param>
/// <param name="Width">Of the images.</param>
/// <param name="Places">
/// Per image its number, then the places of its rows and of its columns in the original (<see cref="Axis"/>): [B, 1 + H + W].
/// </param>
/// <param name="Erased">Which values of the batch are replaced after normalisation; each once.</param>
/// <param name="ErasedValues">Their new values.</param>
/// <param name="Mixes">How each image is mixed; null for no mixing.</param>
internal sealed record ImagePlan(int Count, int Height, int Width, long[] Places, long[] Erased, float[] ErasedValues, Mix[]? Mixes);
