using System.Globalization;
using System.Text;

namespace Tessera;

public partial class Tensor
{
    private const int Edge = 3;
    private const int Whole = 1000;

    /// <summary>Type, shape and values, the middle of long dimensions left out: <c>float32[2, 3] [[1, 2, 3], [4, 5, 6]]</c>.</summary>
    public override string ToString()
    {
        if (!IsAlive)
            return "tensor (freed)";
        var head = $"{DType.Name()}{Shape}{(Device.Type == DeviceType.Cpu ? "" : $" on {Device}")}";
        if (Device.Type == DeviceType.Meta)
            return head;
        using var scope = new Scope();
        using var quiet = Torch.NoGrad();
        var text = new StringBuilder(head).Append(' ');
        Print(text, Detach().To(device: Device.Cpu), Elements > Whole);
        return text.ToString();
    }

    private static void Print(StringBuilder text, Tensor part, bool cut)
    {
        if (part.Dim == 0)
        {
            var value = part.Item();
            text.Append(part.DType.IsFloat() ? value.ToDouble().ToString("G5", CultureInfo.InvariantCulture) : value.ToString());
            return;
        }
        var count = part.Size(0);
        text.Append('[');
        for (var i = 0L; i < count; i++)
        {
            if (i > 0)
                text.Append(", ");
            if (cut && count > 2 * Edge && i == Edge)
            {
                text.Append("..., ");
                i = count - Edge;
            }
            using var scope = new Scope();
            Print(text, part[i], cut);
        }
        text.Append(']');
    }
}
