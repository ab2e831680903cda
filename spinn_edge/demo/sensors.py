"""What the machine's sensors make of the true state: signal models and their noise.

Assumptions:
    Noise is white and normal; sensors do not drift. ``SensorConstants`` states every unit.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from spinn_edge.demo.cut import CUT, Cut, Forces
from spinn_edge.demo.ode import FloatArray
from spinn_edge.demo.schedule import Schedule


@dataclass(frozen=True, slots=True, kw_only=True)
class SensorConstants:
    """Gains and standard deviations of the sensors; all chosen by us to be plausible."""

    motor_efficiency: float = 0.88
    idle_w_per_rpm: float = 0.03
    magnetising_current_a: float = 4.0
    current_a_per_nm: float = 0.9
    spindle_mode_hz: float = 600.0
    table_mode_hz: float = 250.0
    damping_ratio: float = 0.25
    spindle_m_per_s2_per_n: float = 0.02
    table_m_per_s2_per_n: float = 0.01
    emission_v_per_sqrt_w: float = 0.05
    relative_noise: float = 0.015  # of every dynamic reading, 1
    relative_speed_noise: float = 0.002  # of the speed reading, 1
    force_noise_n: float = 2.0
    temperature_noise_k: float = 0.15
    flow_noise_l_per_min: float = 0.05


SENSOR = SensorConstants()


def cutting_power_w(cut: Cut, forces: Forces) -> FloatArray:
    """Return tangential force times cutting speed, W."""
    return forces.tangential_n * cut.cutting_speed_m_per_s


def motor_power_w(cut: Cut, forces: Forces, constants: SensorConstants = SENSOR) -> FloatArray:
    """Return the electric power of the spindle motor while it cuts, W."""
    idle_w = constants.idle_w_per_rpm * cut.spindle_speed_rpm
    return cutting_power_w(cut, forces) / constants.motor_efficiency + idle_w


def motor_current_a(
    cut: Cut, forces: Forces, duty: FloatArray, constants: SensorConstants = SENSOR
) -> FloatArray:
    """Return the root-mean-square motor current, A, over cutting and idling.

    Current follows torque, not power, and what it heats follows its square.
    """
    torque_nm = motor_power_w(cut, forces, constants) / (cut.spindle_speed_rpm * 2.0 * np.pi / 60.0)
    working_a = constants.current_a_per_nm * torque_nm
    return np.hypot(constants.magnetising_current_a, np.sqrt(duty) * working_a)


def amplification(frequency_hz: FloatArray, mode_hz: float, damping_ratio: float) -> FloatArray:
    """Return the dynamic magnification of a structure's mode, 1.

    Source:
        1 / |1 - r^2 + 2 i zeta r| with r = f / f_n, one degree of freedom: Altintas,
        "Manufacturing Automation", chapter 3.
    """
    ratio = frequency_hz / mode_hz
    return 1.0 / np.hypot(1.0 - ratio**2, 2.0 * damping_ratio * ratio)


def read_cut(
    cut: Cut,
    forces: Forces,
    duty: FloatArray,
    rng: np.random.Generator,
    constants: SensorConstants = SENSOR,
) -> dict[str, FloatArray]:
    """Return the noisy dynamic readings of a cut, by feature name.

    Source:
        Forces turned from the tooth to the table by the mean engagement angle: Altintas,
        "Manufacturing Automation", chapter 2. Acoustic emission follows the square root of the
        power spent on deformation: Kannatey-Asibu & Dornfeld (1981), "Quantitative relationships
        for acoustic emission from orthogonal metal cutting", J. Eng. Industry 103.
    """
    sine, cosine = np.sin(0.5 * cut.engagement_rad), np.cos(0.5 * cut.engagement_rad)
    tooth_hz = CUT.teeth * cut.spindle_speed_rpm / 60.0
    spindle_gain = amplification(tooth_hz, constants.spindle_mode_hz, constants.damping_ratio)
    table_gain = amplification(tooth_hz, constants.table_mode_hz, constants.damping_ratio)
    in_plane_n = np.hypot(forces.tangential_n, forces.radial_n)
    speed_rpm = cut.spindle_speed_rpm
    power_w = cutting_power_w(cut, forces)
    true = {
        "force_x_n": forces.tangential_n * cosine + forces.radial_n * sine,
        "force_y_n": forces.tangential_n * sine - forces.radial_n * cosine,
        "force_z_n": forces.axial_n,
        "spindle_power_w": motor_power_w(cut, forces, constants),
        "spindle_current_a": motor_current_a(cut, forces, duty, constants),
        "vibration_spindle_m_per_s2": constants.spindle_m_per_s2_per_n * in_plane_n * spindle_gain,
        "vibration_table_m_per_s2": constants.table_m_per_s2_per_n * in_plane_n * table_gain,
        "acoustic_emission_v": constants.emission_v_per_sqrt_w * np.sqrt(power_w),
    }
    readings = {
        "spindle_speed_rpm": speed_rpm
        * (1.0 + constants.relative_speed_noise * rng.standard_normal(speed_rpm.shape))
    }
    for name, value in true.items():
        # A force near zero still carries the amplifier's noise.
        floor = constants.force_noise_n if name.startswith("force") else 0.0
        noise = np.hypot(constants.relative_noise * value, floor)
        readings[name] = value + noise * rng.standard_normal(value.shape)
    return readings


def read_surroundings(
    schedule: Schedule,
    housing_c: FloatArray,
    rng: np.random.Generator,
    constants: SensorConstants = SENSOR,
) -> dict[str, FloatArray]:
    """Return the noisy readings of coolant, room and spindle housing, by feature name."""
    kelvin = constants.temperature_noise_k
    readings = {
        "coolant_flow_l_per_min": (
            schedule.coolant_flow_l_per_min,
            constants.flow_noise_l_per_min,
        ),
        "coolant_temperature_c": (schedule.coolant_c, kelvin),
        "ambient_temperature_c": (schedule.room_c, kelvin),
        "spindle_housing_temperature_c": (housing_c, kelvin),
    }
    return {
        name: value + noise * rng.standard_normal(value.shape)
        for name, (value, noise) in readings.items()
    }
