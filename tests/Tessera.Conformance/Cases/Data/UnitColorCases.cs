using System.Numerics;
using Tessera.Data.Imaging;

namespace Tessera.Conformance.Cases.Data;

[Case("byol.augmentation-ops", OnCpu = true)]
internal sealed class ByolAugmentation : GoldenCase
{
    public override void Run(GoldenRun run)
    {
        if (run.Real == DType.Float64)
            Run<double>(run);
        else
            Run<float>(run);
    }

    private static void Run<T>(GoldenRun run)
        where T : unmanaged, IBinaryFloatingPointIeee754<T>
    {
        var image = run.Input("image");
        T Given(string key) => T.CreateChecked(run.Config.Double(key));
        Changed("brightness", values => UnitColors.Add(values.AsSpan(), Given("brightness_delta")));
        Changed("contrast", values => UnitColors.Contrast(values.AsSpan(), (int)image.Size(0), Given("contrast_factor")));
        Changed("saturation", values => UnitColors.Saturate(values.AsSpan(), Given("saturation_factor")));
        Changed("hue", values => UnitColors.Turn(values.AsSpan(), Given("hue_delta")));
        Changed("grayscale", values => UnitColors.Gray(values.AsSpan()));
        Changed("solarize", values => UnitColors.Solarize(values.AsSpan(), Given("solarize_threshold")));

        void Changed(string name, Action<T[]> change)
        {
            var values = image.ToArray<T>();
            change(values);
            run.Output(name, Tensor.From(values).Reshape(image.Shape));
        }
    }
}

[Case("simclr.gaussian-blur", OnCpu = true)]
internal sealed class SimClrBlur : GoldenCase
{
    public override void Run(GoldenRun run)
    {
        if (run.Real == DType.Float64)
            Run<double>(run);
        else
            Run<float>(run);
    }

    private static void Run<T>(GoldenRun run)
        where T : unmanaged, IBinaryFloatingPointIeee754<T>
    {
        var (c, images) = (run.Config, run.Input("image")); // [B, C, H, W]
        var (height, width) = c.Size("image_size");
        if ((images.Size(2), images.Size(3)) != (height, width))
            throw new GoldenMismatchException($"images of {height}x{width} by the configuration have the shape {images.Shape}");
        var values = images.ToArray<T>();
        UnitBlur.Apply(values.AsSpan(), height, width, c.Int("kernel_argument") / 2, T.CreateChecked(c.Double("sigma")));
        run.Output("blurred", Tensor.From(values).Reshape(images.Shape));
    }
}
